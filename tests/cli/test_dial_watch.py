import asyncio
from collections.abc import Sequence

import pytest

from voice_agent.cli.dial_watch import MODEL_FAILED, MOST_FAILURES, follow, outcome_of
from voice_agent.errors import CommandError, PeerError
from voice_agent.twilio_api.calls import Course
from voice_agent.twilio_api.rest import GoneError


class Told:
    """An account that tells a call's course, one answer after the other, the last for ever."""

    def __init__(self, answers: Sequence[Course | Exception]) -> None:
        self._answers = list(answers)

    async def course(self, sid: str) -> Course:
        assert sid == "CA1"
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def followed(*answers: Course | Exception) -> tuple[Course, list[str]]:
    said: list[str] = []
    course = asyncio.run(follow(Told(answers), "CA1", said.append, every_s=0))  # type: ignore[arg-type]  # as far as needed
    return course, said


def test_every_change_is_told_once() -> None:
    end = Course("completed", "human", 36)
    course, said = followed(
        Course("queued"), Course("queued"), Course("initiated"), Course("ringing"), Course("in-progress"),
        Course("in-progress", "human"), Course("in-progress", "human"), end,
    )  # fmt: skip

    assert course == end
    assert said == ["queued", "dialling", "ringing", "answered", "answered by a person", "completed after 36 s"]


@pytest.mark.parametrize(
    ("answered_by", "said"),
    [
        ("machine_end_beep", "answered by a machine (machine_end_beep)"),
        ("fax", "answered by a fax"),
        ("unknown", "answered by nobody knows whom"),
    ],
)
def test_who_answered_is_told_in_words(answered_by: str, said: str) -> None:
    assert followed(Course("completed", answered_by))[1] == ["completed", said]


def test_a_question_that_fails_is_asked_again() -> None:
    course, said = followed(PeerError("no network"), PeerError("no network"), Course("busy"))

    assert course == Course("busy")
    assert said == ["the call cannot be seen: no network", "busy"]


def test_a_call_that_cannot_be_seen_any_more_goes_on_unwatched() -> None:
    with pytest.raises(CommandError, match="CA1 goes on unwatched: no network"):
        followed(*[PeerError("no network")] * MOST_FAILURES)


class Heard:
    """A server that is called back: what it says one after the other, the last for ever; `None`: nothing new."""

    def __init__(self, *answers: Course | PeerError | None) -> None:
        self._answers = list(answers)

    async def changed(self, sid: str, told: Course) -> Course | None:
        assert sid == "CA1"
        assert told.status != "completed"
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, PeerError):
            raise answer
        return answer


def heard(account: Told, *answers: Course | PeerError | None) -> tuple[Course, list[str]]:
    said: list[str] = []
    course = asyncio.run(follow(account, "CA1", said.append, 0, Heard(*answers)))  # type: ignore[arg-type]  # as far as needed
    return course, said


def test_a_call_whose_callbacks_are_heard_is_asked_for_at_its_end_alone() -> None:
    account = Told([Course("completed", "human", 36), PeerError("asked twice")])
    course, said = heard(account, Course("ringing"), Course("in-progress", "human"), Course("completed", "human"))

    assert course == Course("completed", "human", 36)
    assert said == ["ringing", "answered", "answered by a person", "completed after 36 s"]


@pytest.mark.parametrize("answer", [PeerError("no network"), GoneError("gone"), Course("in-progress")])
def test_the_end_that_was_called_back_stands_when_the_account_does_not_know_better(answer: Course | Exception) -> None:
    assert heard(Told([answer]), Course("completed", "", 3))[0] == Course("completed", "", 3)


def test_that_the_model_failed_is_known_to_the_server_alone() -> None:
    account = Told([Course("completed", "human", 36)])
    course, _ = heard(account, Course("completed", "human", model_failed=True))

    assert course == Course("completed", "human", 36, model_failed=True)


def test_a_server_that_hears_nothing_does_not_keep_a_call_from_being_seen() -> None:
    account = Told([Course("queued"), Course("busy")])

    assert heard(account, None, None, Course("busy"))[1] == ["queued", "busy"]


def test_a_server_that_cannot_tell_is_asked_no_more() -> None:
    account = Told([Course("ringing"), Course("busy")])

    assert heard(account, PeerError("status 404"), Course("initiated"))[1] == ["ringing", "busy"]


def test_a_call_that_twilio_does_not_know_any_more_is_one_line() -> None:
    with pytest.raises(CommandError, match="Twilio does not know CA1 any more"):
        followed(GoneError("not found"))


@pytest.mark.parametrize(
    ("course", "outcome"),
    [
        (Course("completed", "human", 3), "completed"),
        (Course("completed"), "completed"),
        (Course("completed", "unknown"), "completed"),
        (Course("completed", "machine_start", 3), "machine"),
        (Course("completed", "fax", 3), "machine"),
        (Course("completed", "human", 3, model_failed=True), MODEL_FAILED),
        (Course("busy"), "busy"),
        (Course("canceled", "machine_start"), "canceled"),
    ],
)
def test_a_call_that_a_machine_took_or_the_model_failed_in_is_an_outcome_of_its_own(
    course: Course, outcome: str
) -> None:
    assert outcome_of(course) == outcome
