"""Where a session is sought: at one endpoint after another, and at which once more."""

import pytest

from tests.support.model_gone import NOT_SET_UP, lost
from tests.support.script import Script
from voice_agent.call.commands import ConnectModel, Note, OpenStandby
from voice_agent.call.events import (
    Event,
    ModelClosed,
    ModelError,
    ModelOpened,
    ModelRefused,
    SessionCreated,
    SessionUpdated,
    StandbyFailed,
    StandbyReady,
    StreamStarted,
)
from voice_agent.call.facts import Fact, SessionFailed, StandbyWanted
from voice_agent.call.model_link import AFTER_OPEN_MS, OPEN_MS, SET_UP_MS, ModelLink


@pytest.mark.parametrize(
    "event",
    [
        SessionUpdated("audio.output.format: audio/pcmu", unusable=True),
        ModelError("unknown_parameter", "session.type"),
        ModelRefused(503, "busy"),
    ],
)
def test_what_cannot_be_used_at_one_endpoint_is_sought_at_the_next(
    event: SessionUpdated | ModelError | ModelRefused,
) -> None:
    script = Script(fallbacks=1)
    script.feed(SessionCreated("sess_1"), event)
    script.wait(SET_UP_MS - 1)
    before = lost(script)
    script.wait(1)

    assert endpoints(script) == [0, 1]
    assert (before, lost(script)) == ([], [NOT_SET_UP])


def endpoints(script: Script) -> list[int]:
    """Which endpoints were asked, in order."""
    return [command.endpoint for command in script.ordered(ConnectModel)]


def test_where_there_is_another_endpoint_nobody_waits_for_one_that_does_not_answer() -> None:
    script = Script(fallbacks=1)
    script.begin_stream()
    script.wait(OPEN_MS - 1)
    before = endpoints(script)
    script.wait(1)

    assert (before, endpoints(script)) == ([0], [0, 1])
    script.begin_session()
    assert lost(script) == []


def test_nor_for_one_that_opens_and_sets_nothing_up() -> None:
    script = Script(fallbacks=1)
    script.begin_stream()
    script.wait(900)
    script.feed(ModelOpened())
    script.wait(AFTER_OPEN_MS - 1)
    before = endpoints(script)
    script.wait(1)

    assert (before, endpoints(script)) == ([0], [0, 1])


@pytest.mark.parametrize("event", [ModelRefused(401, "key"), ModelRefused(429, "busy", 1), ModelRefused(None, "none")])
def test_a_refusal_leads_to_the_next_endpoint_at_once(event: ModelRefused) -> None:
    script = Script(fallbacks=2)
    script.begin_stream()
    told = script.feed(event)

    fields = {"reason": event.detail, "endpoint": 2}
    assert told == [Note("warning", "another endpoint is asked for the model", fields), ConnectModel(1)]
    script.feed(event)
    assert endpoints(script) == [0, 1, 2]


def test_a_lost_session_is_sought_where_it_was_and_then_round_about() -> None:
    script = Script(fallbacks=2)
    script.begin_stream()
    script.feed(ModelRefused(401, "key"))
    script.begin_session()
    for _ in range(5):
        script.feed(ModelClosed(1011))
        script.begin_session()

    # The first one was asked in this trouble before.
    assert endpoints(script) == [0, 1, 1, 1, 2, 2, 2]
    assert len(lost(script)) == 0
    script.feed(ModelClosed(1011))
    assert len(lost(script)) == 1


def test_an_endpoint_whose_account_is_used_up_is_not_asked_again() -> None:
    script = Script(fallbacks=1).begin()
    script.feed(ModelError("insufficient_quota", "pay"))

    assert endpoints(script) == [0, 1]


@pytest.mark.parametrize(
    ("event", "wait_ms"),
    [
        (ModelRefused(404, "young"), 500),
        (ModelRefused(500, "broken"), 500),
        (ModelRefused(503, "busy"), 500),
        (ModelRefused(429, "", 2), 2000),
        (ModelRefused(429, "", 3), 3000),
    ],
)
def test_a_refusal_that_may_pass_is_tried_once_more(event: ModelRefused, wait_ms: int) -> None:
    script = Script()
    script.begin_stream()
    script.feed(event)
    script.wait(wait_ms - 1)
    before = len(script.ordered(ConnectModel))
    script.wait(1)
    after = len(script.ordered(ConnectModel))
    script.feed(event)

    assert (before, after) == (1, 2)
    assert script.ordered(Note)[0] == Note(
        "warning", "the model refused, and is asked again", {"reason": event.detail, "wait_ms": wait_ms}
    )
    assert lost(script) == [event.detail]
    assert len(script.ordered(ConnectModel)) == 2


def test_a_try_that_comes_too_late_is_not_made() -> None:
    script = Script()
    script.begin_stream()
    script.wait(5000)
    script.feed(ModelRefused(429, "busy", 2))
    script.wait(5000)

    assert len(script.ordered(ConnectModel)) == 1
    assert len(lost(script)) == 1


def test_the_next_session_is_sought_first_where_this_one_is() -> None:
    link = ModelLink(["", "", ""], resumed=False)
    begins = (SessionCreated("sess_1"), SessionUpdated())
    happened: list[Event | Fact] = [StreamStarted("MZ1", "CA1"), ModelRefused(503, "busy"), *begins]
    happened += [StandbyWanted(), StandbyFailed("busy"), StandbyWanted(), StandbyReady()]
    happened += [SessionFailed("it is old", renewed=True), *begins, StandbyWanted()]
    ordered = [output for event in happened for output in link.feed(0, event)]

    assert [(type(order), order.endpoint) for order in ordered if isinstance(order, ConnectModel | OpenStandby)] == [
        (ConnectModel, 0),
        (ConnectModel, 1),
        (OpenStandby, 1),
        (OpenStandby, 2),
        (ConnectModel, 2),
        (OpenStandby, 2),
    ]
