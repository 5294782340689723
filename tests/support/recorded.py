"""Made-up feeds for recordings: texts as the two peers write them, typed by hand from their documents."""

import base64
from collections.abc import Iterator

import msgspec

from voice_agent.agent import Agent
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.live.recorded import describe
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.format import Header
from voice_agent.recording.reader import Recording
from voice_agent.recording.telling import finished_tool
from voice_agent.recording.writer import RecordingWriter

STREAM_SID = "MZ18ad3ab5a668481ce02b83e7395059f0"


def header(audio: str = "kept", model_audio: str = "g711") -> Header:
    """Make a header for an agent that has nothing special."""
    return Header(
        setup=CallSetup(
            call_sid="CA0123456789abcdef0123456789abcdef",
            agent=Agent(name="reception", instructions="Be kind.", folder="/home/anna/agents"),
            model=ModelSetup(audio="pcm24k" if model_audio == "pcm24k" else "g711"),
        ),
        started_at="2026-11-22T10:00:00+00:00",
        audio="kept" if audio == "kept" else "digests",
        webhook={"From": "+14255550123"},
        clips={"apology": "00" * 32},
    )


def caller_media(number: int, audio: bytes) -> Entry:
    """Make one `media` message of Twilio's, the `number`-th of 20 ms."""
    payload = base64.b64encode(audio).decode()
    return Entry(
        "phone",
        f'{{"event":"media","sequenceNumber":"{number + 2}","media":{{"track":"inbound","chunk":"{number + 1}",'
        f'"timestamp":"{number * 20}","payload":"{payload}"}},"streamSid":"{STREAM_SID}"}}',
    )


def model_delta(audio: bytes, event_id: str = "event_1") -> Entry:
    """Make one audio delta of the model's."""
    delta = base64.b64encode(audio).decode()
    return Entry(
        "model",
        f'{{"type":"response.output_audio.delta","event_id":"{event_id}","response_id":"resp_1","item_id":"item_1",'
        f'"output_index":0,"content_index":0,"delta":"{delta}"}}',
    )


def append(audio: bytes) -> Entry:
    """Make the message that gives audio to the model."""
    return Entry("model", f'{{"type":"input_audio_buffer.append","audio":"{base64.b64encode(audio).decode()}"}}')


def outgoing_media(audio: bytes) -> Entry:
    """Make the message that plays audio."""
    payload = base64.b64encode(audio).decode()
    return Entry("phone", f'{{"event":"media","streamSid":"{STREAM_SID}","media":{{"payload":"{payload}"}}}}')


def write(of: Header, steps: list[Step] | Iterator[Step], steps_a_block: int = 10) -> bytes:
    """Write a whole recording."""
    writer = RecordingWriter(of)
    data = b""
    for number, step in enumerate(steps):
        writer.feed(step.now_ms, step.received, step.sent)
        if number % steps_a_block == steps_a_block - 1:
            data += writer.take()
    return data + writer.end()


def reread(of: Header, steps: list[Step]) -> list[Step]:
    """Write and read."""
    return list(Recording(write(of, steps)).steps())


def with_cause(recording: Recording, cause: str) -> bytes:
    """Write a recording anew in which every tool that failed did so because of this."""
    steps = list(recording.steps())
    for at, step in enumerate(steps):
        finished = None if step.received is None else finished_tool(step.received.text)
        if finished is not None and finished.failed:
            received = describe(msgspec.structs.replace(finished, cause=cause))
            steps[at] = msgspec.structs.replace(step, received=received)
    return write(recording.header, steps)
