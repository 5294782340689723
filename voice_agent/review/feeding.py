"""Feeds a recording to a fresh bridge of today, each input at its recorded time.

What the bridge then gives is for others to judge (`strict`) or to listen to (`sound`).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TypeVar

import msgspec
import pybase64

from voice_agent.audio.mulaw import SILENCE
from voice_agent.call.commands import AppendAudio, ClearPlayback, PlayAudio, SendMark
from voice_agent.errors import PeerError
from voice_agent.recording.cutting import sealed_length
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.format import BLOCK_LIMIT, Header
from voice_agent.recording.loose import LooseStep, whole
from voice_agent.recording.reader import Recording
from voice_agent.wire import twilio
from voice_agent.wire.bridge import Bridge, Input, Output, Unwritten
from voice_agent.wire.texts import ModelText, PhoneText

_INPUTS: msgspec.json.Decoder[Input] = msgspec.json.Decoder(Input)
_OUTPUTS: msgspec.json.Decoder[Output] = msgspec.json.Decoder(Output)


NO_BEGINNING = "the recording does not begin, once, with the beginning of its call"
NO_CALL = "the recording holds no call: it ends behind its header"

PlayOrder = PlayAudio | SendMark | ClearPlayback

_S = TypeVar("_S", Step, LooseStep)

_UPDATE = "if a later voice-agent made it, update"


class Failed(Exception):  # noqa: N818 - not an error of this program's tree: its callers tell it
    """The bridge failed on an input that the recorded call got past; the cause is its `__cause__`."""

    def __init__(self, step: Step, error: Exception) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.step = step


def refeed(
    recording: Recording, clips: Mapping[str, bytes], watch: Callable[[Step, int | None], None] | None = None
) -> Iterator[tuple[Step, list[Output]]]:
    """Give every step with what today's bridge gives in it; remarks are passed over.

    `watch` is told of each step before it is fed, with the deadline that today's bridge has set by then.
    Raises `PeerError` where the recording ends in damage or holds what today's bridge is never fed, and `Failed`.
    """
    bridge = _bridge(recording.header, clips)
    for step in _fed(recording.steps()):
        received = None if step.received is None else input_of(step.received, recording.header)
        if watch is not None:
            watch(step, bridge.deadline())
        try:
            outputs = bridge.start() if received is None else bridge.feed(step.now_ms, received)
        except Exception as error:
            raise Failed(step, error) from error
        yield step, outputs


def play_orders(
    recording: Recording, clips: Mapping[str, bytes]
) -> Iterator[tuple[int, twilio.FromTwilio | None, list[PlayOrder]]]:
    """Give of every step its time, what the carrier said in it if it was the carrier, and what is to be played.

    The same bridge with the same calls, but none of its sound is turned into texts, and the caller's not into the
    model's format: that is most of the work. Raises like `refeed`.
    """
    bridge = _bridge(recording.header, clips)
    for step in _fed(recording.loose_steps()):
        received = None if step.received is None else input_of(whole(step.received), recording.header)
        said = _said(received.text) if isinstance(received, PhoneText) else None
        try:
            orders = _orders(bridge, step.now_ms, received if said is None else said)
        except Exception as error:
            raise Failed(step.step(), error) from error
        yield step.now_ms, said, orders


def _bridge(header: Header, clips: Mapping[str, bytes]) -> Bridge:
    return Bridge(header.setup, {name: clips[name] for name in header.clips if name in clips})


def _fed(steps: Iterable[_S]) -> Iterator[_S]:
    """Pass over remarks; raises `PeerError` for what does not begin once."""
    begun = False
    for step in steps:
        if step.received is not None and step.received.way == "remark":
            continue
        if begun == (step.received is None):
            raise PeerError(NO_BEGINNING)
        begun = True
        yield step


def _said(text: str) -> twilio.FromTwilio | None:
    try:
        message = twilio.parse(text)
    except PeerError:
        return None
    return None if isinstance(message, twilio.Unknown) else message


def _orders(bridge: Bridge, now_ms: int, received: Input | Unwritten | None) -> list[PlayOrder]:
    if received is None:
        bridge.start()
        return []
    orders: list[PlayOrder] = []
    for event in bridge.read(received):
        for command in bridge.call.feed(now_ms, event):
            if isinstance(command, PlayAudio | SendMark | ClearPlayback):
                orders.append(command)
            elif type(command) is not AppendAudio:
                bridge.write(command)  # another session begins with another codec, which knows what it was asked for
    return orders


def input_of(entry: Entry, header: Header) -> Input:
    """Give what was fed; audio that was not kept comes back as silence of its length.

    Raises `PeerError` for what no bridge of this version is fed.
    """
    if entry.way == "phone":
        return PhoneText(_with_silence(entry, header, bytes([SILENCE])))
    if entry.way == "model":
        silence = b"\0" if header.setup.model.audio == "pcm24k" else bytes([SILENCE])
        return ModelText(_with_silence(entry, header, silence))
    try:
        return _INPUTS.decode(entry.text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise PeerError(f"the recording holds an input that this version does not know: {error}; {_UPDATE}") from None


def output_of(entry: Entry) -> Output:
    """Give what came out; raises `PeerError` for what no bridge of this version gives."""
    if entry.way == "phone":
        return PhoneText(entry.text)
    if entry.way == "model":
        return ModelText(entry.text)
    try:
        return _OUTPUTS.decode(entry.text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise PeerError(f"the recording holds an output that this version does not know: {error}; {_UPDATE}") from None


def changed_clips(header: Header, hashes: Mapping[str, str]) -> list[str]:
    """Name the clips that the call was given and that are others today, or gone."""
    return [name for name, hashed in header.clips.items() if hashes.get(name) != hashed]


def _with_silence(entry: Entry, header: Header, silence: bytes) -> str:
    # Where audio was kept, what looks like a seal is what a peer sent.
    if header.audio == "kept" or '"~' not in entry.text:
        return entry.text
    found = sealed_length(entry.way, entry.text)
    if found is None:
        return entry.text
    start, end, length = found
    if length > BLOCK_LIMIT:
        raise PeerError(f"the recording is damaged: it says that one text carried {length:,} bytes of sound")
    return entry.text[:start] + pybase64.b64encode_as_string(silence * length) + entry.text[end:]
