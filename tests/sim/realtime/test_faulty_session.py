"""Sessions in which something goes wrong on request."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.realtime_client import Event, VirtualClient, silence, tone
from voice_agent.sim.realtime import (
    ClientText,
    CloseSocket,
    Energy,
    FaultySession,
    FrameDue,
    OutputBuffer,
    PlayFrame,
    RealtimeOptions,
    RealtimeSession,
    Recognise,
    SendEvent,
    SendText,
    Speak,
    Spoken,
    StopWork,
    Think,
    ThoughtDone,
    ThoughtText,
    parse_faults,
)

SPEECH_MS = 10 * len("Hello there.How can I help?")


def types(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def answered(client: VirtualClient, **response: Any) -> Event:
    """Ask for a response and wait for its end; give the end."""
    client.send(type="response.create", response=response)
    client.wait(2000)
    (done,) = client.of("response.done")[-1:]
    found: Event = done["response"]
    return found


def test_a_session_without_faults_is_the_session() -> None:
    plain, wrapped = VirtualClient(), VirtualClient(faults=" , ")
    for client in (plain, wrapped):
        client.setup(server_vad=True)
        client.stream(tone(500) + silence(800))
        client.wait(3000)

    assert wrapped.events == plain.events


def test_a_silent_server_never_says_a_word() -> None:
    client = VirtualClient(faults="silence")
    client.setup()
    client.wait(5000)

    assert client.events == []


def test_a_silent_server_still_ends_its_session() -> None:
    client = VirtualClient(RealtimeOptions(session_minutes=1), faults="silence")
    client.wait(60_000)

    assert client.events == []
    assert client.closed is not None
    assert client.closed.code == 1001


ANY = [
    "silence@2",
    "drop@3",
    "close=1011@3",
    "error=server_error@1",
    "refuse=response.create:server_error*1",
    "refuse=input_audio_buffer.append:invalid_value*1",
    "fail=server_error*1",
    "incomplete=content_filter*1",
    "rpm=1",
    "midway",
    "mute",
    "deaf",
    "delay=700",
    "late-audio=900",
    "late-words=1200",
    "chunks=333",
]


@given(st.lists(st.sampled_from(ANY), max_size=6, unique=True), st.lists(st.integers(0, 4), max_size=12))
@settings(max_examples=40, deadline=None)
def test_any_faults_together_leave_a_session_that_talks_sense_until_it_ends(asked: list[str], acts: list[int]) -> None:
    client = VirtualClient(faults=",".join(["delay=1", *asked]))
    client.setup(server_vad=True)
    for act in acts:
        match act:
            case 0:
                client.stream(tone(300) + silence(700))
            case 1:
                client.send(type="response.create")
            case 2:
                client.send(type="response.cancel")
            case 3:
                client.send(type="input_audio_buffer.clear")
            case _:
                client.wait(800)
    client.wait(30_000)
    created = [event["response"]["id"] for event in client.of("response.created")]
    done = [event["response"]["id"] for event in client.of("response.done")]

    assert len(done) == len(set(done))
    assert set(done) <= set(created)
    assert client.closed is not None or "silence@2" in asked or "mute" in asked or set(done) == set(created)
    assert (client.peer.deadline() is None) == (client.closed is not None)


def test_a_server_may_fall_silent_in_the_middle() -> None:
    client = VirtualClient(faults="silence@1")
    client.setup()
    before = len(client.events)
    client.wait(1000)
    client.setup()

    assert before == 2
    assert client.events[before:] == []


def test_a_connection_breaks_at_its_time_and_nothing_follows() -> None:
    client = VirtualClient(faults="drop@2.5")
    client.wait(2499)
    assert client.closed is None
    client.wait(1)

    assert client.closed == CloseSocket(1006, "")
    assert client.peer.deadline() is None
    assert client.send(type="input_audio_buffer.clear") == []


@pytest.mark.parametrize(("code", "reason"), [(1001, "maximum duration"), (4000, "beta_api_shape"), (3000, "")])
def test_a_socket_is_closed_with_the_code_and_the_words_of_the_service(code: int, reason: str) -> None:
    client = VirtualClient(faults=f"close={code}@1")
    client.wait(1000)

    assert client.closed is not None
    assert client.closed.code == code
    assert reason in client.closed.reason


@pytest.mark.parametrize(
    ("code", "told", "kind"),
    [
        ("rate_limit_exceeded", "rate_limit_exceeded", "invalid_request_error"),
        ("server_error", None, "server_error"),
        ("made_up", "made_up", "invalid_request_error"),
    ],
)
def test_an_error_event_comes_at_its_time(code: str, told: str | None, kind: str) -> None:
    client = VirtualClient(faults=f"error={code}@1")
    assert types(client.wait(999)) == []
    (event,) = client.wait(1)

    assert (event["error"]["code"], event["error"]["type"], event["error"]["event_id"]) == (told, kind, None)


def test_an_event_is_refused_as_often_as_asked_and_then_obeyed() -> None:
    client = VirtualClient(faults="refuse=session.update:unknown_parameter*1")
    update = {"type": "session.update", "event_id": "mine", "session": {"type": "realtime", "instructions": "x"}}
    (refused,) = client.send(**update)
    (obeyed,) = client.send(**update)

    assert (refused["error"]["code"], refused["error"]["event_id"]) == ("unknown_parameter", "mine")
    assert obeyed["type"] == "session.updated"


def test_what_is_no_event_gets_the_sessions_own_answer() -> None:
    client = VirtualClient(faults="refuse=response.create:server_error")

    for text in ("{", "[]"):
        assert client.feed(ClientText(text))[0]["error"]["code"] == "invalid_event"
    assert types(client.send(type="input_audio_buffer.clear")) == ["input_audio_buffer.cleared"]


def test_responses_fail_as_often_as_asked() -> None:
    client = VirtualClient(faults="fail=rate_limit_exceeded*1")
    failed, after = answered(client), answered(client)

    assert (failed["status"], failed["status_details"]["error"]["code"]) == ("failed", "rate_limit_exceeded")
    assert failed["output"] == []
    assert after["status"] == "completed"


def test_requests_beyond_those_of_a_minute_fail_until_it_has_passed() -> None:
    client = VirtualClient(faults="rpm=2")
    first, second, third = answered(client), answered(client), answered(client)
    client.wait(56_000)
    fourth = answered(client)

    assert [response["status"] for response in (first, second, third, fourth)] == [
        "completed",
        "completed",
        "failed",
        "completed",
    ]
    assert third["status_details"]["error"]["code"] == "rate_limit_exceeded"
    limits = [event["rate_limits"][0] for event in client.of("rate_limits.updated")]
    assert [(limit["name"], limit["limit"], limit["remaining"]) for limit in limits] == [
        ("requests", 2, 1),
        ("requests", 2, 0),
        ("requests", 2, 0),
        ("requests", 2, 1),
    ]
    # The first request leaves the window a minute after it came.
    assert limits[0]["reset_seconds"] == 60
    assert 54 < limits[2]["reset_seconds"] < 60


@pytest.mark.parametrize(("faults", "frames"), [("", 1), ("silence", 0), ("late-audio=300", 0), ("deaf", 1)])
def test_a_peer_of_webrtc_hears_no_more_than_one_on_a_socket(faults: str, frames: int) -> None:
    client = VirtualClient(output=OutputBuffer(), faults=faults)
    client.feed(FrameDue())
    at_once = sum(isinstance(order, PlayFrame) for order in client.orders)
    client.wait(300)

    assert at_once == frames
    assert sum(isinstance(order, PlayFrame) for order in client.orders) == (0 if faults == "silence" else 1)


@pytest.mark.parametrize("reason", ["content_filter", "max_output_tokens"])
def test_a_response_is_cut_short_before_its_first_word(reason: str) -> None:
    client = VirtualClient(faults=f"incomplete={reason}")
    cut = answered(client)

    assert (cut["status"], cut["status_details"]["reason"], cut["output"]) == ("incomplete", reason, [])


def test_a_response_is_cut_short_after_its_first_audio() -> None:
    client = VirtualClient(faults="incomplete=content_filter,midway", options=RealtimeOptions(delta_ms=20))
    cut = answered(client)

    assert (cut["status"], cut["output"][0]["status"]) == ("incomplete", "incomplete")
    assert len(client.spoken()) == 20 * 48
    assert client.orders[-1] == StopWork(cut["id"])


@pytest.mark.parametrize("voice", [tone(200), b""])
def test_thoughts_that_end_before_their_voice_do_not_end_a_response_before_its_first_audio(voice: bytes) -> None:
    client = VirtualClient(faults="incomplete=content_filter,midway")
    client.lazy = True
    client.send(type="response.create")
    (think,) = (order for order in client.orders if isinstance(order, Think))
    client.feed(ThoughtText(think.response_id, "Hello there."))
    client.feed(ThoughtDone(think.response_id))
    assert client.of("response.done") == []

    (speak,) = (order for order in client.orders if isinstance(order, Speak))
    client.feed(Spoken(speak.response_id, speak.item_id, voice, last=True))
    (done,) = client.of("response.done")
    assert done["response"]["status"] == "incomplete"
    assert bool(client.spoken()) is bool(voice)


def test_a_written_response_that_is_cut_short_midway_keeps_its_words() -> None:
    client = VirtualClient(faults="fail=server_error,midway")
    cut = answered(client, output_modalities=["text"])

    assert cut["status"] == "failed"
    assert cut["output"][0]["content"][0]["text"] == "Hello there. How can I help?"


def test_a_mute_server_begins_and_says_nothing() -> None:
    client = VirtualClient(faults="mute")
    client.send(type="response.create")
    client.wait(30_000)

    assert types(client.events)[-2:] == ["response.created", "rate_limits.updated"]
    assert not any(isinstance(order, Think) for order in client.orders)


def test_a_deaf_server_answers_what_it_did_not_understand() -> None:
    client = VirtualClient(faults="deaf")
    client.setup(server_vad=True)
    client.stream(tone(500) + silence(800))
    client.wait(2000)

    (failed,) = client.of("conversation.item.input_audio_transcription.failed")
    assert failed["error"]["message"] == "Input transcription failed for item"
    assert client.of("response.done")[0]["response"]["status"] == "completed"
    assert not any(isinstance(order, Recognise) for order in client.orders)


def test_a_response_to_what_was_not_understood_begins_before_it_is_left_incomplete() -> None:
    client = VirtualClient(faults="deaf,incomplete=max_output_tokens")
    client.setup(server_vad=True)
    client.stream(tone(500) + silence(800))

    assert [kind for kind in types(client.events) if kind in {"response.created", "response.done"}] == [
        "response.created",
        "response.done",
    ]


def test_everything_comes_late_and_in_order() -> None:
    prompt, late = VirtualClient(), VirtualClient(faults="delay=300")
    assert late.events == []
    for client in (prompt, late):
        answered(client)
        client.wait(300)

    assert late.events == prompt.events


def test_audio_may_come_after_its_response_is_done() -> None:
    client = VirtualClient(faults="late-audio=5000")
    answered(client)
    assert client.spoken() == b""
    client.wait(5000)

    assert types(client.events)[-1] == "response.output_audio.delta"
    assert len(client.spoken()) == SPEECH_MS * 48


def test_the_callers_words_may_come_after_they_were_answered() -> None:
    client = VirtualClient(faults="late-words=5000")
    client.setup(server_vad=True)
    client.stream(tone(500) + silence(800))
    client.wait(6000)
    heard = [name.rpartition(".")[2] for name in types(client.events)[-2:]]

    assert client.of("response.done")[0]["response"]["status"] == "completed"
    assert heard == ["delta", "completed"]


@pytest.mark.parametrize("size", [7, 4801])
def test_audio_comes_in_pieces_of_any_size_and_is_whole(size: int) -> None:
    whole, pieces = VirtualClient(), VirtualClient(faults=f"chunks={size}")
    for client in (whole, pieces):
        answered(client)
    deltas = pieces.of("response.output_audio.delta")

    assert pieces.spoken() == whole.spoken()
    assert max(len(base64.b64decode(event["delta"])) for event in deltas) == size
    assert len({event["event_id"] for event in pieces.events}) == len(pieces.events)


def test_the_preview_dialects_audio_is_cut_too() -> None:
    client = VirtualClient(RealtimeOptions(dialect="preview", model="gpt-4o-realtime-preview"), faults="chunks=701")
    client.send(type="response.create")
    client.wait(2000)

    assert {len(base64.b64decode(event["delta"])) for event in client.of("response.audio.delta")} >= {701}


def test_faults_work_together() -> None:
    client = VirtualClient(faults="delay=200,error=server_error@1,close=1011@2,fail=server_error*1,chunks=999")
    failed, completed = answered(client), client.of("error")

    assert failed["status"] == "failed"
    assert len(completed) == 1
    client.wait(200)
    assert client.closed == CloseSocket(1011, "internal error")


def test_strange_events_are_sent_that_a_client_must_survive() -> None:
    session = FaultySession(RealtimeSession(RealtimeOptions(), Energy()), parse_faults("unknown,malformed,delay=1"))
    assert session.start(0) == []
    outputs = session.feed(1, ClientText('{"type": "input_audio_buffer.clear"}'))
    texts = [output.text for output in outputs if isinstance(output, SendEvent | SendText)]

    assert [json.loads(text)["type"] for text in texts[:2]] == ["session.created", "emulator.fault.unknown"]
    with pytest.raises(ValueError, match="Expecting value"):
        json.loads(texts[2])
    assert not any(isinstance(output, Speak) for output in outputs)
