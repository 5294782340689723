"""Who has the floor, and what the session is told of it."""

from tests.support.script import an_agent
from voice_agent.agent import BargeIn
from voice_agent.call.floor import Floor


def test_a_session_begins_with_the_flags_that_should_hold_and_owes_no_confirmation() -> None:
    floor = Floor(an_agent(), held=False)
    floor.ready = True
    floor.collecting = True
    (asked,) = floor.give()
    floor.collecting = False
    configured = floor.configure()

    assert not asked.interrupt_response  # type: ignore[attr-defined]
    assert (configured.interrupt_response, configured.create_response) == (True, True)
    assert list(floor.give()) == []


def test_without_a_session_nothing_is_asked() -> None:
    floor = Floor(an_agent(barge_in=BargeIn(after_ms=300)), held=True)
    floor.held = False

    assert list(floor.give()) == []


def test_another_agent_speaks_with_the_voice_that_the_session_has() -> None:
    floor = Floor(an_agent(), held=False)
    list(floor.hand_over(an_agent(voice="ash"), "marin"))

    assert floor.configure().voice == "marin"
