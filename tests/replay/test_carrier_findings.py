from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.recorded import caller_media
from tests.support.scenes import interrupted_call
from voice_agent.call.events import PhoneClosed
from voice_agent.cli.main import main
from voice_agent.recording.entries import Entry, Step
from voice_agent.replay.carrier_findings import CarrierFindings, Finding
from voice_agent.sim.carrier import Switches
from voice_agent.sim.world import World
from voice_agent.wire.texts import PhoneText

CALLS = Path(__file__).parent.parent / "calls"
START = Entry(
    "phone",
    '{"event":"start","sequenceNumber":"1","start":{"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,'
    '"channels":1}},"streamSid":"MZ1"}',
)


def steps(world: World) -> Iterator[Step]:
    """What crossed the phone's socket."""
    for now_ms, received, outputs in world.log:
        entry = None
        if isinstance(received, PhoneText):
            entry = Entry("phone", received.text)
        elif isinstance(received, PhoneClosed):
            entry = Entry("fact", '{"type":"PhoneClosed"}')
        yield Step(now_ms, entry, tuple(Entry("phone", one.text) for one in outputs if isinstance(one, PhoneText)))


def found(all_steps: Iterator[Step] | list[Step]) -> dict[str, Finding]:
    findings = CarrierFindings()
    for step in all_steps:
        findings.take(step)
    return {one.name: one for one in findings.findings()}


def refuted(all_steps: Iterator[Step] | list[Step]) -> list[str]:
    return [name for name, one in found(all_steps).items() if one.verdict == "refuted"]


@pytest.mark.parametrize(
    ("switches", "names"),
    [
        (Switches(), []),
        (Switches(echo_before_frame=True), []),
        (Switches(marks_at_frame_edges=True), []),
        (Switches(echo_marks_on_clear=False), ["echo_marks_on_clear"]),
        (Switches(silent_gaps=True), ["silent_gaps"]),
        (Switches(frame_ms=40), ["frame_ms"]),
    ],
    ids=str,
)
def test_a_call_tells_what_its_carrier_does_otherwise(switches: Switches, names: list[str]) -> None:
    assert refuted(steps(interrupted_call(1, times=6, switches=switches))) == names


def test_what_a_call_does_not_show_is_not_judged() -> None:
    assert {one.verdict for one in found([]).values()} == {"not seen"}
    assert found([Step(0, START)])["format"].verdict == "confirmed"
    assert found([Step(0, START)])["echo_marks_on_clear"].verdict == "not seen"


def test_a_mark_that_comes_too_soon_is_told_with_its_error() -> None:
    frames = [Step(20 + 20 * number, caller_media(number, bytes(160))) for number in range(4)]
    mark = [Entry("phone", f'{{"event":"mark","streamSid":"MZ1","mark":{{"name":"{name}"}}}}') for name in "ab"]
    audio = Entry("phone", '{"event":"media","streamSid":"MZ1","media":{"payload":"~1600:00"}}')
    sent = Step(10, None, (mark[0], audio, mark[1]))
    echoes = [Step(11, mark[0]), *frames, Step(100, mark[1]), Step(110, caller_media(4, bytes(160)))]

    marks = found([Step(0, START), sent, *echoes])["marks"]
    assert (marks.verdict, marks.evidence) == (
        "refuted",
        "1 times, -120 ms of the carrier's clock too late (from -120 to -120)",
    )


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ([Step(1, Entry("phone", '{"event":"stop","sequenceNumber":"2"}'))], "confirmed"),
        ([Step(1, Entry("fact", '{"type":"PhoneClosed","code":1006}'))], "refuted"),
        (
            [
                Step(1, None, (Entry("fact", '{"type":"ClosePhone"}'),)),
                Step(2, Entry("fact", '{"type":"PhoneClosed","code":1000}')),
            ],
            "not seen",
        ),
    ],
)
def test_a_caller_who_hangs_up_is_told_by_a_stop_unless_we_left_first(after: list[Step], verdict: str) -> None:
    assert found([Step(0, START), *after])["stop"].verdict == verdict


@given(st.lists(st.text(max_size=40) | st.sampled_from(['{"event":"media"}', '{"event":"mark","mark":3}', "[]", "{"])))
def test_no_text_of_a_peer_breaks_the_reading(texts: list[str]) -> None:
    entries = [Entry("phone", text) for text in texts]

    assert len(found([Step(0, entry, (entry,)) for entry in entries])) == 8


def test_the_command_shows_each_assumption(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calls", "show", str(CALLS / "interrupted.call"), "--carrier"]) == 0
    assert "confirmed  clear echoes the marks that it throws away, at once: 44 of 44" in capsys.readouterr().out

    assert main(["calls", "show", str(CALLS / "interrupted-no-frames.call"), "--carrier"]) == 1
    assert "refuted    frames come in silence, too: 2 gaps" in capsys.readouterr().out


@pytest.mark.parametrize("number", ["9" * 5000, "-1", "\u00b2", "x"])
def test_numbers_and_sound_of_any_form_are_counted_or_not(number: str) -> None:
    media = {"event": "media", "sequenceNumber": number, "media": {"timestamp": number, "chunk": number}}
    media["media"] |= {"payload": f"~{number}"}  # type: ignore[operator]
    frame = Entry("phone", msgspec.json.encode(media).decode())

    assert found([Step(0, START), Step(20, frame)])["frame_ms"].verdict == "refuted"
