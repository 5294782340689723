"""Turns as a part alone: what it keeps of a session that is lost, of another agent and of a machine."""

import pytest

from tests.support.script import an_agent
from voice_agent.agent import Agent, BargeIn, ServerVad
from voice_agent.call.commands import CallerBegan, CancelResponse, Command, CreateResponse, SetTurnFlags
from voice_agent.call.events import (
    Event,
    ModelAudio,
    ModelError,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    TimerFired,
    TurnCommitted,
)
from voice_agent.call.facts import (
    AgentChanged,
    CallOver,
    ClipWanted,
    Fact,
    KeyHeard,
    LineClosing,
    MachineReached,
    ModelGone,
    PlaybackBusy,
    PlaybackIdle,
    RequestDue,
    ResponseDropped,
    ResponseWanted,
    SessionFailed,
    SessionLost,
    SessionReady,
    TurnHeardAgain,
    TurnOpened,
    TurnUnanswered,
)
from voice_agent.call.facts import (
    BargeIn as Cut,
)
from voice_agent.call.key_tones import TONE_MS
from voice_agent.call.turns import HEARD_AGAIN_MS, Turns

SPEECH = SpeechStarted("u1", 5000)
SOUND = ModelAudio("r1", "a", 0, b"\x10" * 80, 10)
SLOW = ServerVad(silence_duration_ms=700)
BYE = ResponseWanted("goodbye", "Say goodbye.", "none", keep=True)


class Alone:
    """The part, and what came out of it last."""

    def __init__(
        self, agent: Agent | None = None, *, held: bool = False, ready: bool = True, greets: bool = False
    ) -> None:
        self.turns = Turns(agent or an_agent(), can_excuse=True, held=held, greets=greets)
        self.said: list[Command | Fact] = []
        if ready:
            self.feed(SessionReady())

    def feed(self, *events: Event | Fact, at_ms: int = 0) -> list[Command | Fact]:
        for event in events:
            self.said = list(self.turns.feed(at_ms, event))
            if self.said and isinstance(self.said[-1], RequestDue):
                self.said[-1:] = self.turns.feed(at_ms, self.said[-1])
        return self.said

    def asked(self) -> list[str]:
        return [command.request for command in self.said if isinstance(command, CreateResponse)]


def heard_again() -> Alone:
    """The next session is given once more what the caller said."""
    alone = Alone()
    alone.feed(TurnCommitted("u1"), SessionLost(), TurnHeardAgain("u1"), SessionReady())
    return alone


@pytest.mark.parametrize("end", [ModelGone("gone"), LineClosing(), CallOver()])
def test_nobody_has_a_turn_when_it_is_over(end: Fact) -> None:
    alone = Alone()
    alone.feed(PlaybackBusy(), TurnCommitted("u1"), end)

    assert alone.turns.deadline() is None
    assert alone.feed(SPEECH) == []


def test_a_turn_that_was_asked_about_and_not_answered_is_told_when_the_session_is_lost() -> None:
    alone = Alone(an_agent(barge_in=BargeIn(after_ms=300)))
    alone.feed(TurnCommitted("u1"))
    asked = alone.asked()

    assert (asked, alone.feed(SessionLost())) == (["turn-1"], [TurnUnanswered()])


def test_while_a_turn_may_be_heard_again_nothing_is_asked_for() -> None:
    alone = heard_again()
    alone.feed(ResponseWanted("tool"))
    before = alone.asked()
    alone.feed(TimerFired(), at_ms=HEARD_AGAIN_MS)

    assert (before, alone.asked()) == ([], ["tool-1"])
    assert CallerBegan() in alone.feed(SPEECH)


def test_a_turn_that_is_heard_again_has_begun_before() -> None:
    alone = heard_again()

    assert alone.turns.deadline() == HEARD_AGAIN_MS
    assert CallerBegan() not in alone.feed(SPEECH)
    assert alone.turns.deadline() is None
    assert CallerBegan() in alone.feed(SPEECH)


def test_what_failed_in_a_lost_session_does_not_count_in_the_next_one() -> None:
    alone = Alone()
    alone.feed(ResponseWanted("tool"), ModelError("error", "oh", "tool-1"), SessionLost(), SessionReady())
    again = alone.asked()
    alone.feed(ModelError("error", "oh", "tool-3"))

    assert again == ["tool-3"]
    assert alone.asked() == ["tool-4"]
    assert [fact for fact in alone.said if isinstance(fact, SessionFailed)] == []


def test_a_protected_greeting_that_is_heard_out_ends_its_protection_though_its_session_was_lost() -> None:
    alone = Alone(an_agent(greeting="Hello.", barge_in=BargeIn(protect_greeting=True)), greets=True)
    alone.feed(ResponseWanted("greeting", "Hello."), ResponseCreated("r1", "greeting-1"), SOUND, PlaybackBusy())
    alone.feed(ResponseDone("r1", "completed"), ResponseCreated("r2", None), SessionLost(), PlaybackIdle())

    assert isinstance(alone.feed(SessionReady())[0], SetTurnFlags)


@pytest.mark.parametrize("change", [SessionLost(), AgentChanged(an_agent(turn_detection=SLOW))])
def test_how_long_a_tone_may_be_taken_for_speech_is_the_rule_of_the_agent_that_has_the_call(change: Fact) -> None:
    alone = Alone(an_agent(turn_detection=SLOW))
    alone.feed(change, SessionReady(), SOUND, PlaybackBusy(), KeyHeard(5000 + SLOW.prefix_padding_ms), SPEECH)

    assert alone.turns.deadline() == TONE_MS + 700


def test_what_the_former_agent_was_still_to_say_is_not_said_by_the_other_one() -> None:
    alone = Alone(ready=False)
    alone.feed(ResponseWanted("greeting", "Hello."), ResponseWanted("idle", "Are you there?"), AgentChanged(an_agent()))
    alone.feed(SessionReady())

    assert alone.asked() == []


def test_a_goodbye_waits_behind_the_servers_answer_and_is_asked_for_as_it_is_wanted() -> None:
    alone = Alone()
    alone.feed(SPEECH, BYE, TurnCommitted("u1"), ResponseCreated("r1", None))
    said = alone.feed(ResponseDone("r1", "completed"))

    assert said[0] == CreateResponse("goodbye-1", "Say goodbye.", "none")


def test_a_sound_that_outlasts_the_agents_words_is_answered_though_a_sound_of_ours_follows() -> None:
    alone = Alone(an_agent(barge_in=BargeIn(after_ms=300)))
    alone.feed(SOUND, PlaybackBusy(), SPEECH, PlaybackIdle(), PlaybackBusy(), TurnCommitted("u1"))

    assert alone.asked() == ["turn-1"]


def test_a_clip_in_the_place_of_a_filtered_answer_names_it() -> None:
    alone = Alone()
    alone.feed(ResponseCreated("r1", None))

    assert ClipWanted("withheld", "r1") in alone.feed(ResponseDone("r1", "incomplete", "content_filter"))


# --- it is not known who answered, or it is a machine ----------------------------------------------------------------


def test_what_the_server_says_by_itself_before_it_is_known_who_answered_is_dropped() -> None:
    alone = Alone(held=True)

    assert alone.feed(ResponseCreated("r1", None)) == [ResponseDropped("r1"), CancelResponse("cancel-r1", "r1")]


def test_a_greeting_that_is_not_heard_yet_gives_way_to_a_hello() -> None:
    alone = Alone(held=True)
    alone.feed(ResponseWanted("greeting", "Hello."), ResponseCreated("r1", "greeting-1"))

    assert alone.feed(SPEECH)[-2:] == [Cut("r1"), CancelResponse("cancel-r1", "r1")]


@pytest.mark.parametrize(
    ("before", "cuts"),
    [
        ((), False),
        ((PlaybackBusy(),), True),
        ((ResponseCreated("r1", None),), True),
        ((SOUND, PlaybackBusy(), SPEECH), True),
        ((TurnCommitted("u1"),), False),
    ],
)
def test_to_a_machine_nothing_is_said_or_owed_any_more(before: tuple[Event | Fact, ...], cuts: bool) -> None:
    alone = Alone(an_agent(barge_in=BargeIn(after_ms=300 if SPEECH in before else 0)))
    alone.feed(*before)
    said = alone.feed(MachineReached("fax", hangs_up=True))

    assert any(isinstance(fact, Cut) for fact in said) == cuts
    assert alone.turns.deadline() is None


def test_no_timer_of_a_hello_or_of_the_first_second_is_left_where_a_machine_has_answered() -> None:
    alone = Alone(held=True, greets=True)
    alone.feed(SOUND, PlaybackBusy(), SPEECH)
    before = alone.turns.deadline()
    alone.feed(MachineReached("fax", hangs_up=True))

    assert before is not None
    assert alone.turns.deadline() is None


def test_a_message_to_a_machine_does_not_wait_for_what_is_heard_of_it() -> None:
    alone = Alone(held=True)
    alone.feed(MachineReached("machine_start", hangs_up=False), BYE, ResponseCreated("r1", "goodbye-1"))

    assert [type(one) for one in alone.feed(SPEECH)] == [CallerBegan, TurnOpened]


def test_nothing_that_is_heard_of_a_machine_is_a_hello_though_its_commit_alone_is_told() -> None:
    alone = Alone(held=True)
    alone.feed(MachineReached("machine_start", hangs_up=False), BYE, ResponseCreated("r1", "goodbye-1"))
    alone.feed(SOUND, PlaybackBusy())

    assert alone.feed(TurnCommitted("u1")) == []
