"""The caller's turn: how long it must last until it cuts."""

from tests.support.script import an_agent
from voice_agent.agent import BargeIn, ServerVad
from voice_agent.call.caller_turn import CallerTurn
from voice_agent.call.floor import Floor

VAD = ServerVad(silence_duration_ms=500)


def patience_ms(turn: CallerTurn, *, after_ms: int = 0, collecting: bool = False, words: bool = True) -> int:
    floor = Floor(an_agent(barge_in=BargeIn(after_ms=after_ms)), held=False)
    floor.collecting = collecting
    return turn.patience_ms(floor, words=words)


def test_speech_cuts_at_once_or_when_it_has_lasted_as_long_as_the_policy_asks_and_the_detector_waits() -> None:
    turn = CallerTurn(VAD)
    turn.begins(0)

    assert patience_ms(turn) == 0
    assert patience_ms(turn, after_ms=400) == 900
    assert patience_ms(turn, after_ms=400, words=False) == 0


def test_what_may_be_the_tone_of_a_key_waits_for_the_key_or_for_the_end_of_the_tone() -> None:
    turn = CallerTurn(VAD)
    turn.begins(0)
    before = patience_ms(turn, collecting=True)
    turn.tones.pressed(turn.tones.silence_ms - 200)

    assert before == 150
    assert patience_ms(turn) == 850


def test_another_sessions_rules_are_those_of_its_own_agent_and_it_has_heard_no_key() -> None:
    turn = CallerTurn(VAD)
    turn.tones.pressed(0)
    turn.forget_tones(ServerVad(silence_duration_ms=300))
    turn.begins(0)

    assert not turn.tones.by_key
    assert patience_ms(turn, after_ms=1) == 301


def test_a_turn_that_begins_has_cut_nothing_yet() -> None:
    turn = CallerTurn(VAD)
    assert [turn.speaking, turn.overheard, turn.has_cut] == [False, False, False]
    turn.overheard = True
    turn.cuts()
    cut = (turn.overheard, turn.has_cut)
    turn.begins(0)

    assert cut == (False, True)
    assert (turn.speaking, turn.has_cut) == (True, False)
