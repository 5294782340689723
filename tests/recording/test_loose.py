import pytest

from tests.support.recorded import append, caller_media, header, model_delta, write
from voice_agent.recording.cutting import seal
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.loose import Carrying, bare, whole
from voice_agent.recording.reader import Recording

AUDIO = bytes(range(160))

FED = [
    Step(0, None, (Entry("fact", '{"type":"ConnectModel"}'),)),
    Step(20, caller_media(1, AUDIO), (append(AUDIO[:80]),)),
    Step(43, caller_media(2, AUDIO[1:]), (append(AUDIO), Entry("fact", "100 % of it"))),
    Step(50, model_delta(AUDIO * 3, "event_100%d")),
]


@pytest.mark.parametrize("audio", ["kept", "digests"])
def test_a_loose_step_is_put_together_to_the_step(audio: str) -> None:
    recording = Recording(write(header(audio), FED))

    assert [step.step() for step in recording.loose_steps()] == list(recording.steps())


@pytest.mark.parametrize("wanted", [True, False])
def test_a_text_without_its_audio_tells_how_much_there_was(wanted: bool) -> None:
    began, first, second, last = Recording(write(header(), FED)).loose_steps(audio=wanted)

    assert [bare(sent) for sent in began.sent] == ['{"type":"ConnectModel"}']
    assert isinstance(first.received, Carrying)
    assert isinstance(second.received, Carrying)
    assert isinstance(last.received, Carrying)
    assert first.received.bare() == caller_media(1, b"").text
    assert second.received.bare() == caller_media(2, b"").text
    assert last.received.bare() == model_delta(b"", "event_100%d").text
    assert [first.received.length, second.received.length, last.received.length] == [160, 159, 480]
    assert [bare(sent) for sent in second.sent] == [append(b"").text, "100 % of it"]
    assert first.received.audio == (AUDIO if wanted else b"")


def test_what_was_sent_is_put_together_with_a_seal() -> None:
    _, first, *_ = Recording(write(header(), FED)).loose_steps()

    assert [whole(sent) for sent in first.sent] == [Entry("model", seal("model", append(AUDIO[:80]).text))]
