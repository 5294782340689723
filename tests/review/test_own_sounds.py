import pytest

from voice_agent.recording.entries import Entry
from voice_agent.recording.loose import Carrying, LooseStep, LooseText
from voice_agent.review.own_sounds import OwnSound, OwnSounds

TIMER = Entry("fact", '{"type":"TimerFired"}')
MODELS = Carrying("model", '{"type":"response.output_audio.delta"}', (), b"", 960, True)


def media(length: int) -> Carrying:
    return Carrying("phone", '{"event":"media"}', (), b"", length, False)


def mark(name: str) -> Entry:
    return Entry("phone", f'{{"event":"mark","streamSid":"MZ1","mark":{{"name":"{name}"}}}}')


def echo(now_ms: int, name: str) -> LooseStep:
    text = f'{{"event":"mark","streamSid":"MZ1","mark":{{"name":"{name}"}},"sequenceNumber":"1"}}'
    return LooseStep(now_ms, Entry("phone", text), ())


def heard(*steps: LooseStep) -> list[OwnSound]:
    sounds = OwnSounds({"moment": bytes(10_007)})
    for step in steps:
        sounds.take(step, lambda now_ms: now_ms - 20)
    return sounds.heard


def played(received: LooseText, length: int, *marks: str) -> LooseStep:
    *before, behind = (mark(name) for name in marks)
    return LooseStep(1000, received, (*before, media(length), behind))


def test_a_sign_of_life_is_heard_between_its_marks() -> None:
    steps = played(TIMER, 10_007, "start-1", "play-2"), echo(1040, "start-1"), echo(2290, "play-2")

    assert heard(*steps) == [OwnSound(begin_ms=1020, end_ms=2270, what="a sign of life")]


def test_one_that_was_cut_lasts_until_its_mark_came_back() -> None:
    steps = played(TIMER, 10_007, "start-1", "play-2"), echo(1040, "start-1"), echo(1540, "play-2")

    assert heard(*steps) == [OwnSound(begin_ms=1020, end_ms=1520, what="a sign of life")]


def test_one_behind_other_audio_begins_where_that_ended() -> None:
    assert heard(played(TIMER, 4000, "play-2"), echo(3000, "play-2")) == [
        OwnSound(begin_ms=2480, end_ms=2980, what="a sound of the bridge's own")
    ]


@pytest.mark.parametrize(("received", "length"), [(MODELS, 10_007), (Entry("model", "{}"), 24)])
def test_what_the_model_said_is_none(received: LooseText, length: int) -> None:
    assert heard(played(received, length, "start-1", "play-2"), echo(1040, "start-1"), echo(2290, "play-2")) == []


def test_what_nobody_came_to_play_was_not_heard() -> None:
    assert heard(played(TIMER, 10_007, "start-1", "play-2"), LooseStep(9000, Entry("phone", "no JSON"), ())) == []
