"""When a lost session is opened anew, and when the model is gone."""

import pytest

from tests.support.model_gone import NOT_SET_UP, lost
from tests.support.script import Script, an_agent
from voice_agent.call.commands import CloseModel, ConnectModel, CreateResponse, Note
from voice_agent.call.events import (
    ModelClosed,
    ModelError,
    ModelRefused,
    ResponseCreated,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    StreamStarted,
)
from voice_agent.call.facts import SESSION_LOST, ModelGone, SessionFailed
from voice_agent.call.model_link import AGAIN_MS, SET_UP_MS, SETTLED_MS, ModelLink


def test_a_lost_session_that_is_refused_is_asked_for_once_more_with_a_time_of_its_own() -> None:
    script = Script().begin()
    script.wait(5000)
    script.feed(ModelClosed(1006), ModelRefused(503, "busy"))
    script.wait(500)
    tries = len(script.ordered(ConnectModel))
    script.wait(SET_UP_MS)

    assert tries == 3
    assert lost(script) == [NOT_SET_UP]


def test_a_lost_session_is_asked_for_when_the_server_says_though_that_takes_the_whole_time_of_a_try() -> None:
    script = Script().begin()
    script.wait(5000)
    script.feed(ModelClosed(1006))
    script.wait(20)
    script.feed(ModelRefused(429, "", AGAIN_MS // 1000))
    script.wait(AGAIN_MS)
    script.wait(AGAIN_MS - 1)
    script.begin_session()

    assert lost(script) == []
    assert len(script.ordered(ConnectModel)) == 3


def test_only_the_responses_that_are_open_end_with_their_session() -> None:
    link = ModelLink(("",), resumed=False)
    started = (StreamStarted("MZ1", "CA1"), SessionCreated("sess_1"), SessionUpdated())
    responses = (ResponseCreated("r1", None), ResponseDone("r1", "completed"), ResponseCreated("r2", None))
    for event in (*started, *responses):
        list(link.feed(0, event))

    assert [output for output in link.feed(0, ModelClosed(1006)) if isinstance(output, ResponseDone)] == [
        ResponseDone("r2", "cancelled", SESSION_LOST)
    ]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ModelRefused(401, "401: the key is wrong"), "401: the key is wrong"),
        (ModelRefused(429, "429: the quota is used up", 4), "429: the quota is used up"),
        (ModelClosed(1008), "the model's socket closed: 1008"),
        (ModelClosed(3000, "close 3000: the key"), "the model's socket closed: close 3000: the key"),
        (ModelError("insufficient_quota", "pay"), "insufficient_quota: pay; check the account at the provider"),
    ],
)
def test_a_model_that_gives_no_other_session_is_told_once_with_what_to_check(event: ModelClosed, reason: str) -> None:
    script = Script().begin()
    script.feed(event, ModelClosed(1006))

    assert lost(script) == [reason]
    assert len(script.ordered(CloseModel)) == 1


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (ModelClosed(None), "the model's socket closed: no close frame"),
        (ModelClosed(1001), "the model's socket closed: 1001"),
        (ModelClosed(1011, "close 1011: it failed"), "the model's socket closed: close 1011: it failed"),
        (ModelError("session_expired", "60 minutes"), "session_expired: 60 minutes"),
    ],
)
def test_a_session_that_is_lost_is_opened_anew_at_once(event: ModelClosed, reason: str) -> None:
    script = Script().begin()
    script.fresh()
    told = script.feed(event)

    assert told == [Note("warning", "the model's session is opened anew", {"reason": reason}), ConnectModel()]
    script.wait(200)
    back = script.begin_session()
    assert Note("info", "the model is back", {"after_ms": 200, "endpoint": 1}) in back
    assert lost(script) == []


def test_a_session_is_opened_anew_twice_and_then_the_model_is_gone() -> None:
    script = Script().begin()
    for _ in range(3):
        script.feed(ModelClosed(1011))
        script.begin_session()

    assert len(script.ordered(ConnectModel)) == 3
    assert lost(script) == ["the model's socket closed: 1011"]


def test_a_session_that_has_answered_begins_a_new_count() -> None:
    script = Script().begin()
    for number in range(5):
        script.feed(ResponseCreated(f"r{number}", None), ResponseDone(f"r{number}", "completed"), ModelClosed(1011))
        script.begin_session()

    assert len(script.ordered(ConnectModel)) == 6
    assert lost(script) == []


def test_behind_an_answer_it_may_be_opened_anew_as_often_as_at_first() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), ResponseDone("r1", "completed"))
    for _ in range(3):
        script.feed(ModelClosed(1011))
        script.begin_session()

    assert len(script.ordered(ConnectModel)) == 3


def test_who_says_that_a_session_is_of_no_use_says_whether_another_one_would_be() -> None:
    said = []
    for failed in (
        SessionFailed("it is old", renewed=True),
        SessionFailed("responses keep failing: insufficient_quota"),
    ):
        link = ModelLink(("",), resumed=False)
        for event in (StreamStarted("MZ1", "CA1"), SessionCreated("sess_1"), SessionUpdated()):
            list(link.feed(0, event))
        said.append(next(iter(link.feed(0, failed))))

    assert said == [
        Note("info", "the model's session is opened anew", {"reason": "it is old"}),
        ModelGone("responses keep failing: insufficient_quota"),
    ]


def test_so_does_one_that_has_lived_for_a_while() -> None:
    script = Script().begin()
    for _ in range(4):
        script.wait(SETTLED_MS)
        script.feed(ModelClosed(1011))
        script.begin_session()

    assert lost(script) == []


def test_a_session_that_is_slow_to_come_back_is_asked_for_twice() -> None:
    script = Script().begin()
    script.feed(ModelClosed(1011))
    script.wait(AGAIN_MS)
    twice = script.ordered(ConnectModel)
    script.wait(SET_UP_MS)

    assert len(twice) == 3
    assert lost(script) == [NOT_SET_UP]


def test_the_end_of_a_session_that_is_not_waited_for_any_more_means_nothing() -> None:
    script = Script()
    script.begin_stream()
    script.feed(ModelRefused(503, "busy"), ModelClosed(1006))
    script.wait(500)

    assert len(script.ordered(ConnectModel)) == 2
    assert lost(script) == []


def test_a_session_that_turns_mute_is_opened_anew_like_any_lost_one() -> None:
    script = Script(an_agent(greeting="Hello.")).begin()
    script.wait(4000)

    reason = "the model did not begin a response within 4 s; look at the provider's status page"
    assert Note("warning", "the model's session is opened anew", {"reason": reason}) in script.said
    script.begin_session()
    assert [command.request for command in script.ordered(CreateResponse)] == ["greeting-1", "greeting-2"]
