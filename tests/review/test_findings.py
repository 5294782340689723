import msgspec
import pytest

from voice_agent.call.trouble import Trouble
from voice_agent.review.course import Answer, Part
from voice_agent.review.findings import described, in_short, late, session_lost
from voice_agent.review.own_sounds import OwnSound

WORDS = "We look after the whole family."


def answer(begin_ms: int, end_ms: int, text: str, **more: object) -> Answer:
    told = {"item_id": "", "heard_ms": 0, "total_ms": 0, "interrupted": False} | more
    return Answer(begin_ms=begin_ms, end_ms=end_ms, text=text, **told)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("trouble", "told"),
    [
        ([], []),
        ([Trouble(0, "late answer", ms=1234)], ["late answer, 1.2 s"]),
        ([Trouble(0, "late answer", ms=1200), Trouble(9, "late answer", ms=5656)], ["2 late answers, 5.7 s at worst"]),
        ([Trouble(0, "words not heard", ms=9), Trouble(9, "words not heard")], ["words not heard, 2 times"]),
        (
            [Trouble(0, "tool failed", "find"), Trouble(1, "tool failed", "find"), Trouble(2, "tool failed", "book")],
            ["tool failed: find 2 times, book"],
        ),
        ([Trouble(0, "fault", "b"), Trouble(0, "fault", "a"), Trouble(0, "fault", "a")], ["a", "b"]),
        (
            [Trouble(0, "words not heard"), Trouble(1, "transfer failed", "desk, nobody answered")],
            ["transfer failed: desk, nobody answered", "words not heard"],
        ),
        ([Trouble(0, "of a later version")], ["of a later version"]),
    ],
)
def test_the_list_names_all_trouble_of_a_call_the_worst_first(trouble: list[Trouble], told: list[str]) -> None:
    assert [named.text for named in in_short(trouble)] == told


def test_what_the_list_names_keeps_its_kind_whatever_the_words_are() -> None:
    named = in_short([Trouble(0, "words not heard"), Trouble(1, "fault", "words not heard"), Trouble(2, "late answer")])

    assert [(each.kind, each.text) for each in named] == [
        ("late answer", "late answer, 0 ms"),
        ("words not heard", "words not heard"),
        ("fault", "words not heard"),
    ]


def test_a_late_answer_says_until_when_nothing_was_heard() -> None:
    wait = [Part("until the end of speech was noticed", 500), Part("tool find", 5000)]
    sign = OwnSound(begin_ms=4000, end_ms=5200, what="a sign of life")

    assert late(1000, 6600, wait, []) == "5.6 s; 5.0 s of it in the tool find"
    assert (
        late(1000, 6600, [], [sign]) == "5.6 s, 3.0 s of silence until a sign of life, 2.6 s from there to the answer"
    )
    assert late(5000, 6600, [], [sign]) == "1.6 s"


@pytest.mark.parametrize(
    ("answers", "at_ms", "told"),
    [
        ([], 5000, "the agent was not cut off by it"),
        ([answer(1000, 9000, WORDS)], 5000, "the agent was not cut off by it"),
        ([answer(1000, 9000, WORDS, interrupted=True, cut_ms=8000)], 5000, "the agent was not cut off by it"),
        ([answer(1000, 9000, WORDS, interrupted=True)], 9000, "the agent broke off at 0:09.0"),
        (
            [answer(9100, 12000, WORDS + " More."), answer(1000, 9000, WORDS, interrupted=True)],
            9000,
            "the agent broke off at 0:09.0; the answer was said again from its beginning at 0:09.1",
        ),
        (
            [answer(1000, 9000, WORDS, interrupted=True), answer(9100, 12000, "Where were we?")],
            9000,
            "the agent broke off at 0:09.0; it spoke on at 0:09.1",
        ),
    ],
)
def test_of_a_lost_session_the_caller_noticed_what_was_heard(answers: list[Answer], at_ms: int, told: str) -> None:
    assert session_lost(5000, answers) == (at_ms, told)


def test_what_is_known_of_a_call_without_a_recording_is_told() -> None:
    assert described(Trouble(0, "late answer", ms=1500)) == "1.5 s"
    assert described(Trouble(0, "tool failed", "find"), '{"error":"x"}') == 'find: {"error":"x"}'
    assert described(msgspec.structs.replace(Trouble(0, "tool failed", "find"))) == "find"
    assert described(Trouble(0, "fault", "a response failed")) == "a response failed"
