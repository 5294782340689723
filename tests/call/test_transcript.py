"""The words of a call, as they were heard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.script import Script, an_agent
from voice_agent.call.commands import AddAgentText, AgentSaid, CallerSaid, Command, TranscriptionUsed
from voice_agent.call.conversation import AgentTurn, CallerTurn, Conversation, KeysTurn, Resumption, ToolTurn
from voice_agent.call.events import (
    AgentTranscript,
    CallerTranscribed,
    Event,
    ModelAudio,
    ResponseCreated,
    ServerPrompted,
    SpeechStarted,
    TranscriptionUsage,
    TurnCommitted,
)
from voice_agent.call.facts import (
    AgentChanged,
    Fact,
    HistoryWanted,
    ItemHeard,
    OwnSpeechHeard,
    OwnSpeechWanted,
    SessionLost,
)
from voice_agent.call.transcript import MS_PER_CHARACTER, Transcript, cut_words


def test_the_words_of_an_item_that_was_heard_whole_are_all_there() -> None:
    script = Script().begin()
    script.feed(AgentTranscript("r1", "a", "Good "), AgentTranscript("r1", "a", "morning. "))
    script.agent_speaks("a", 1000)
    script.response_done()
    script.wait(1200)

    assert script.ordered(AgentSaid) == [AgentSaid("a", "Good morning.", 1000, 1000, interrupted=False)]
    assert script.call.conversation().turns == (AgentTurn("a", "Good morning.", interrupted=False),)


def test_turns_stand_in_the_order_of_the_conversation_whenever_their_words_arrive() -> None:
    script = Script().begin()
    script.feed(TurnCommitted("u1"))
    script.feed(AgentTranscript("r1", "a", "Yes."))
    script.agent_speaks("a", 500)
    script.response_done()
    script.wait(700)
    script.feed(CallerTranscribed("u1", " Is it you? "))

    assert script.ordered(CallerSaid) == [CallerSaid("u1", "Is it you?")]
    assert script.call.conversation().turns == (
        CallerTurn("u1", "Is it you?"),
        AgentTurn("a", "Yes.", interrupted=False),
    )


def test_words_that_come_before_their_turn_is_committed_make_one_turn() -> None:
    script = Script().begin()
    script.feed(CallerTranscribed("u1", "Hello."), TurnCommitted("u1"))

    assert script.call.conversation().turns == (CallerTurn("u1", "Hello."),)


def test_a_turn_without_words_is_a_turn() -> None:
    script = Script().begin()
    script.feed(TurnCommitted("u1"), TurnCommitted("u2"), CallerTranscribed("u2", "Second."))

    assert script.call.conversation().turns == (CallerTurn("u1", ""), CallerTurn("u2", "Second."))


def test_the_silence_that_a_server_commits_before_it_asks_is_no_turn_unless_words_are_found_in_it() -> None:
    script = Script().begin()
    usage = TranscriptionUsage(audio_ms=5000)
    script.feed(ServerPrompted("u1"), TurnCommitted("u1"), CallerTranscribed("u1", " ", usage))
    script.feed(ServerPrompted("u2"), TurnCommitted("u2"), CallerTranscribed("u2", "I am here."))

    assert script.call.conversation().turns == (CallerTurn("u2", "I am here."),)
    assert script.ordered(CallerSaid) == [CallerSaid("u2", "I am here.")]
    assert script.ordered(TranscriptionUsed) == [TranscriptionUsed(usage)]


def test_an_item_of_which_nothing_was_ever_sent_was_not_said() -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None))
    script.caller_speaks()
    script.feed(ModelAudio("r1", "a", 0, b"", 0, done=True))
    script.response_done(status="cancelled")

    assert script.ordered(AgentSaid) == []


def test_a_word_that_was_only_begun_does_not_count() -> None:
    assert cut_words("one two three", 500, 1000) == "one"
    assert cut_words("one two three", 0, 1000) == ""
    assert cut_words("one two three", 1000, 1000) == "one two three"
    assert cut_words("one two three", 0, 0) == "one two three"
    assert cut_words("immeasurable", 999, 1000) == ""
    assert cut_words("one two", 3, 7) == "one"  # the cut falls between two words


@given(st.text(), st.integers(0, 5000), st.integers(0, 5000))
def test_what_was_heard_begins_what_was_said(text: str, heard_ms: int, total_ms: int) -> None:
    heard = cut_words(text, heard_ms, total_ms)

    assert text.strip().startswith(heard)


# --- answers that are cut while they are being made ------------------------------------------------------------------

LONG = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"


def cut_short(*, made_ms: int, heard_ms: int, done: bool = False, then: str = "") -> AgentSaid:
    """Say all of `LONG`, make a part of its sound and cut it. `then`: how its response ends before that is measured."""
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), AgentTranscript("r1", "a", LONG))
    script.agent_speaks("a", made_ms, done=done)
    script.wait(heard_ms)
    script.feed(SpeechStarted("u1", 0))
    if then:
        script.feed(ModelAudio("r1", "a", 0, b"", made_ms, done=True))
        script.response_done(status=then)
    script.wait(200)
    (said,) = script.ordered(AgentSaid)
    assert abs(said.heard_ms - heard_ms) <= 20
    return said


def test_words_that_are_ahead_of_a_sound_which_is_cut_were_not_heard() -> None:
    for status in ("", "cancelled", "incomplete", "failed"):
        said = cut_short(made_ms=2000, heard_ms=1500, then=status)

        assert said.text == "one two three four five"  # 1500 of 4800 ms, not of 2000
        assert said.total_ms == 2000


def test_words_are_apportioned_by_their_sound_where_all_of_that_is_known() -> None:
    known = (
        cut_short(made_ms=6000, heard_ms=3000, done=True),
        cut_short(made_ms=6000, heard_ms=3000, then="completed"),
    )

    for said in known:
        assert said.text == "one two three four five six seven eight"


def test_an_answer_that_was_made_whole_before_its_response_was_cancelled_was_heard_by_its_sound() -> None:
    said = cut_short(made_ms=2400, heard_ms=1200, done=True, then="cancelled")

    assert said.text == "one two three four five six seven eight"


@pytest.mark.parametrize("status", ["incomplete", "failed"])
def test_of_an_answer_that_breaks_off_no_more_words_were_heard_than_there_was_sound_for(status: str) -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), AgentTranscript("r1", "a", "Short. "), AgentTranscript("r1", "b", LONG))
    script.agent_speaks("a", 200)
    script.agent_speaks("b", 1000)
    script.response_done(status=status)
    script.wait(1500)

    assert [(said.text, said.interrupted) for said in script.ordered(AgentSaid)] == [
        ("Short.", False),
        ("one two three", False),
    ]


def test_a_slow_voice_is_known_by_what_it_has_said() -> None:
    slow_ms = 3 * MS_PER_CHARACTER
    said = ItemHeard("a", slow_ms * 400, slow_ms * 400, interrupted=False)
    cut = ItemHeard("b", 1800, 1900, interrupted=True, unfinished=True)
    words, more = AgentTranscript("r1", "a", "x" * 400), AgentTranscript("r2", "b", LONG)

    assert [one.text for one in told(words, said, more, cut) if isinstance(one, AgentSaid)][1] == "one two"
    assert [one.text for one in told(more, cut) if isinstance(one, AgentSaid)] == ["one two three four five six"]


@given(
    st.lists(st.text("ab é", min_size=1, max_size=9), min_size=1, max_size=20),
    st.integers(60, 4000),
    st.integers(20, 4000),
    st.sampled_from(["", "cancelled", "failed", "incomplete"]),
)
def test_no_more_words_count_than_what_was_heard_can_hold(
    deltas: list[str], made_ms: int, heard_ms: int, then: str
) -> None:
    script = Script().begin()
    script.feed(ResponseCreated("r1", None), *(AgentTranscript("r1", "a", delta) for delta in deltas))
    script.agent_speaks("a", made_ms, done=False)
    script.wait(heard_ms)
    script.feed(SpeechStarted("u1", 0))
    if then:
        script.response_done(status=then)
    script.wait(1000)

    for said in script.ordered(AgentSaid):
        assert len(said.text) * MS_PER_CHARACTER <= said.heard_ms
        assert "".join(deltas).strip().startswith(said.text)


# --- what else stands in it ------------------------------------------------------------------------------------------


def test_what_the_words_were_billed_by_is_reported_beside_them() -> None:
    script = Script().begin()
    script.feed(CallerTranscribed("u1", "Hello.", TranscriptionUsage(13, 9)), CallerTranscribed("u2", "Yes."))

    assert script.ordered(TranscriptionUsed) == [TranscriptionUsed(TranscriptionUsage(13, 9))]


def test_keys_and_tools_stand_in_the_conversation_where_they_were_given() -> None:
    transcript = Transcript()
    transcript.note_keys("42#")
    transcript.note_tool("c1", "look_up", "{}")
    transcript.note_tool("c2", "look_up", "[]")
    transcript.note_answer("c2", "second")
    transcript.note_answer("c3", "unasked")

    assert transcript.turns == [
        KeysTurn("42#"),
        ToolTurn("c1", "look_up", "{}", None),
        ToolTurn("c2", "look_up", "[]", "second"),
    ]


def test_what_was_heard_is_told_though_it_was_short_and_its_words_never_came() -> None:
    heard = ItemHeard("a", 1, 1, interrupted=False)

    assert list(Transcript().feed(0, heard)) == [AgentSaid("a", "", 1, 1, interrupted=False)]


def test_a_conversation_that_goes_on_holds_what_was_said_before() -> None:
    former = (AgentTurn("a", "Hello.", interrupted=False), ToolTurn("c1", "look_up", "{}", "yes"))
    script = Script(resumed=Resumption(Conversation("test", former), "The line was lost.")).begin()
    script.feed(TurnCommitted("u1"), CallerTranscribed("u1", "Are you there?"))

    assert script.call.conversation().turns == (*former, CallerTurn("u1", "Are you there?"))


def test_an_answer_belongs_to_the_latest_call_of_its_id() -> None:
    former = (ToolTurn("c1", "look_up", "{}", "yes"),)
    transcript = Transcript(Resumption(Conversation("test", former), "The line was lost."))
    transcript.note_tool("c1", "look_up", "{}")
    transcript.note_answer("c1", "no")
    transcript.note_answer("c9", "never asked")

    assert transcript.turns == [*former, ToolTurn("c1", "look_up", "{}", "no")]


def told(*happenings: Event | Fact) -> list[Command | Fact]:
    transcript = Transcript()
    return [output for happening in happenings for output in transcript.feed(0, happening)]


def test_whose_words_they_are_is_known_from_the_hand_over_on() -> None:
    assert told(
        ResponseCreated("r0", None),
        AgentTranscript("r0", "a", "Hello."),
        AgentChanged(an_agent(name="billing")),
        ResponseCreated("r1", None),
        AgentTranscript("r1", "b", "Billing here."),
        ItemHeard("a", 500, 500, interrupted=False),
        ItemHeard("b", 100, 100, interrupted=False),
    ) == [
        AgentSaid("a", "Hello.", 500, 500, interrupted=False),
        AgentSaid("b", "Billing here.", 100, 100, interrupted=False, agent="billing"),
    ]


def test_a_handed_over_agents_words_stand_in_the_conversation_under_its_name() -> None:
    transcript = Transcript()
    for happening in (
        AgentChanged(an_agent(name="billing")),
        ResponseCreated("r1", None),
        AgentTranscript("r1", "b", "Billing here."),
        ItemHeard("b", 100, 100, interrupted=False),
    ):
        list(transcript.feed(0, happening))

    assert transcript.turns == [AgentTurn("b", "Billing here.", interrupted=False, agent="billing")]


def test_what_a_kept_greeting_said_is_told_by_the_greeting_alone() -> None:
    assert told(
        OwnSpeechWanted("kept", "Hello.", b""), SessionLost(), HistoryWanted("Go on."), ItemHeard("kept", 9, 9, False)
    )[1:] == [
        AgentSaid("kept", "Hello.", 9, 9, interrupted=False),
        OwnSpeechHeard("kept", "Hello."),
    ]


def test_what_is_heard_between_two_sessions_stands_in_the_history_alone() -> None:
    words, heard = AgentTranscript("r1", "a", "Hello."), ItemHeard("a", 9, 9, interrupted=False)
    said = AgentSaid("a", "Hello.", 9, 9, interrupted=False)

    assert told(words, SessionLost(), heard) == [said]
    assert told(words, SessionLost(), HistoryWanted(""), heard) == [said, AddAgentText("heard-a", "Hello.")]
