"""Who has the floor, and what the session is told of it."""

from tests.support.script import an_agent
from voice_agent.agent import BargeIn, ServerVad
from voice_agent.call.commands import Command, SetTurnFlags
from voice_agent.call.events import SessionUpdated
from voice_agent.call.facts import CollectionBegan, CollectionEnded, ConversationOpened, MachineReached
from voice_agent.call.floor import Floor

VAD, OTHER = ServerVad(), ServerVad(threshold=0.8)
PROTECTING = an_agent(greeting="Hello.", barge_in=BargeIn(protect_greeting=True))


def flags(are: bool, vad: ServerVad = VAD) -> list[Command]:
    return [SetTurnFlags(vad, interrupt_response=are, create_response=are)]


def in_use(floor: Floor) -> Floor:
    """There is a session."""
    floor.ready = True
    return floor


def test_a_session_begins_with_the_flags_that_should_hold_and_owes_no_confirmation() -> None:
    floor = in_use(Floor(an_agent(), held=False))
    floor.collecting = True
    asked = list(floor.give())
    floor.collecting = False
    configured = floor.configure()

    assert asked == flags(False)
    assert (configured.interrupt_response, configured.create_response) == (True, True)
    assert list(floor.give()) == []


def test_without_a_session_nothing_is_asked() -> None:
    floor = Floor(an_agent(), held=True)

    assert list(floor.take(ConversationOpened())) == []
    assert floor.configure().create_response


def test_another_agent_speaks_with_the_voice_that_the_session_has_and_else_with_its_own() -> None:
    floor = Floor(an_agent(voice="cedar"), held=False)
    first = floor.configure().voice
    list(floor.hand_over(an_agent(voice="ash"), "marin"))

    assert (first, floor.configure().voice) == ("cedar", "marin")


def test_what_stands_against_the_policy_and_its_end_are_told_once() -> None:
    floor = in_use(Floor(an_agent(turn_detection=OTHER), held=True))
    held = (floor.closed, floor.in_force)
    given = list(floor.take(ConversationOpened()))
    list(floor.take(SessionUpdated(request="handoff-1")))
    before = floor.in_force
    list(floor.take(SessionUpdated()))
    after = (floor.closed, floor.in_force, floor.machine)

    assert held == (True, False)
    assert given == flags(True, OTHER)
    assert (before, after) == (False, (False, True, False))
    assert list(floor.take(CollectionBegan())) == flags(False, OTHER)
    assert floor.collecting
    assert list(floor.take(CollectionEnded())) == flags(True, OTHER)
    assert not floor.collecting
    assert list(floor.take(MachineReached("fax", hangs_up=True))) == flags(False, OTHER)
    assert (floor.held, floor.machine) == (True, True)


def test_a_greeting_is_protected_where_one_is_to_come_and_the_agent_says_so() -> None:
    unprotected, wordless = an_agent(greeting="Hello."), an_agent(barge_in=BargeIn(protect_greeting=True))
    floors = [
        Floor(agent, held=False, opening=opening)
        for agent, opening in ((unprotected, True), (wordless, False), (PROTECTING, False), (PROTECTING, True))
    ]
    for floor in floors:
        floor.greeting_begins("r1")

    assert [floor.closed for floor in floors] == [False, False, False, True]
    assert [floor.greets for floor in floors] == [False, False, False, True]


def test_a_protected_greeting_is_over_when_its_response_is_and_one_that_failed_is_said_again() -> None:
    floor = in_use(Floor(PROTECTING, held=False, opening=True))
    greets = [floor.greets]
    floor.greeting_begins("r1")
    floor.greeting_failed("r0")
    greets.append(floor.greets)
    floor.greeting_failed("r1")
    greets.append(floor.greets)
    floor.greeting_begins("r2")
    floor.greeting_failed()
    greets.append(floor.greets)

    assert greets == [False, True, False, False]
    assert list(floor.greeting_over(None)) == []
    floor.greeting_begins("r3")
    assert [*floor.open(), *floor.greeting_over("r3")] == []
    assert floor.closed
    assert list(floor.greeting_over(None)) == flags(True)
    assert not floor.closed


def test_a_session_that_is_set_up_for_another_agent_follows_its_policy() -> None:
    floor = in_use(Floor(PROTECTING, held=False, opening=True))
    list(floor.hand_over(an_agent(), ""))
    at_once = (floor.closed, floor.in_force)
    list(floor.hand_over(an_agent(barge_in=BargeIn(after_ms=1)), ""))
    later = floor.in_force
    list(floor.take(CollectionBegan()))
    list(floor.take(CollectionEnded()))

    assert (at_once, later) == ((False, True), False)
    floor = in_use(Floor(an_agent(), held=False))
    list(floor.take(CollectionBegan()))
    list(floor.take(CollectionEnded()))
    assert list(floor.hand_over(an_agent(turn_detection=OTHER), "")) == flags(True, OTHER)
