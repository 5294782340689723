"""Which turn flags are in force, and which are on their way."""

from hypothesis import given
from hypothesis import strategies as st

from voice_agent.agent import ServerVad
from voice_agent.call.commands import SetTurnFlags
from voice_agent.call.turn_flags import TurnFlags

VAD, OTHER = ServerVad(), ServerVad(threshold=0.8)


def test_flags_that_are_so_or_soon_will_be_are_not_asked_for() -> None:
    flags = TurnFlags(in_force=True)

    assert list(flags.ask(True, VAD)) == []
    assert list(flags.ask(False, VAD)) == [SetTurnFlags(VAD, interrupt_response=False, create_response=False)]
    assert list(flags.ask(False, VAD)) == []
    assert flags.in_force


def test_what_is_in_force_is_what_was_confirmed() -> None:
    flags = TurnFlags(in_force=True)
    flags.confirm()
    list(flags.ask(False, VAD))
    list(flags.ask(True, VAD))
    flags.confirm()
    between = flags.in_force
    flags.confirm()

    assert (between, flags.in_force) == (False, True)


def test_a_session_that_was_set_up_once_more_has_its_own_and_what_was_sent_behind_is_corrected() -> None:
    flags = TurnFlags(in_force=True)
    list(flags.replace(True, OTHER))
    at_first = flags.in_force
    plain = list(flags.replace(False, OTHER))
    list(flags.ask(True, VAD))
    corrected = list(flags.replace(False, OTHER))

    assert (at_first, plain) == (True, [])
    assert corrected == [SetTurnFlags(OTHER, interrupt_response=False, create_response=False)]
    flags.confirm()
    flags.confirm()
    assert not flags.in_force


@given(st.booleans(), st.lists(st.sampled_from(["on", "off", "confirm"])))
def test_when_all_is_confirmed_what_was_asked_for_last_is_in_force(begins: bool, steps: list[str]) -> None:
    flags, wanted = TurnFlags(begins), begins
    for step in steps:
        if step == "confirm":
            flags.confirm()
        else:
            wanted = step == "on"
            list(flags.ask(wanted, VAD))
    for _ in steps:
        flags.confirm()

    assert flags.in_force == wanted
