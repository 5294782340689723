"""A conversation as a value."""

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.call.commands import AddAgentText, AddSystemText, AddToolCall, AddToolOutput, AddUserText
from voice_agent.call.conversation import (
    NOT_ANSWERED,
    NOT_TRANSCRIBED,
    AgentTurn,
    CallerTurn,
    Conversation,
    KeysTurn,
    ToolTurn,
    Turn,
    answered,
    history,
)

TURNS = (
    AgentTurn("a", "Hello.", interrupted=False),
    CallerTurn("u1", "Is it open?"),
    KeysTurn("42"),
    ToolTurn("c1", "look_up", "{}", "yes"),
    ToolTurn("c2", "look_up", "{}", None),
)


def test_tool_calls_without_an_answer_are_open() -> None:
    conversation = Conversation("test", TURNS)

    assert conversation.open_tool_calls == (ToolTurn("c2", "look_up", "{}", None),)


def test_a_conversation_is_plain_data_that_survives_being_stored() -> None:
    conversation = Conversation("test", TURNS)
    stored = msgspec.json.encode(conversation)

    assert msgspec.json.decode(stored, type=Conversation) == conversation


def test_a_session_is_told_all_that_was_said_and_then_why_it_goes_on() -> None:
    told = list(history(TURNS, "The line was lost."))

    assert told == [
        AddAgentText("history-1", "Hello."),
        AddUserText("history-2", "Is it open?"),
        AddUserText("history-3", "The caller pressed these keys: 4 2"),
        AddToolCall("history-4", "c1", "look_up", "{}"),
        AddToolOutput("history-4-output", "c1", "yes"),
        AddToolCall("history-5", "c2", "look_up", "{}"),
        AddSystemText("history-6", "The line was lost."),
    ]


def test_nobody_answers_the_open_calls_of_a_call_that_is_over() -> None:
    assert [*answered(TURNS)] == [*TURNS[:-1], ToolTurn("c2", "look_up", "{}", NOT_ANSWERED)]


def test_a_turn_without_words_is_told_of_the_caller_only() -> None:
    turns = (CallerTurn("u1", ""), AgentTurn("a", "", interrupted=True))

    assert list(history(turns, "Go on.")) == [
        AddUserText("history-1", NOT_TRANSCRIBED),
        AddSystemText("history-3", "Go on."),
    ]


def test_a_call_that_goes_on_for_no_reason_of_its_own_is_told_what_was_said_alone() -> None:
    assert list(history(TURNS[:2], "")) == [
        AddAgentText("history-1", "Hello."),
        AddUserText("history-2", "Is it open?"),
    ]


def test_why_a_call_went_on_is_told_first_where_nothing_was_said_before() -> None:
    assert list(history(TURNS[:1], "", back="You called them back.")) == [
        AddSystemText("history-1", "You called them back."),
        AddAgentText("history-2", "Hello."),
    ]


def test_what_a_tool_has_answered_comes_last_where_nothing_else_says_why_the_model_speaks() -> None:
    said = AgentTurn("b", "One moment.", interrupted=False)
    call = ToolTurn("c1", "press", "{}", "pressed")
    (hello, question, moment, *called) = history((*TURNS[:2], call, said), "")

    assert (hello, question) == (AddAgentText("history-1", "Hello."), AddUserText("history-2", "Is it open?"))
    assert moment == AddAgentText("history-3", "One moment.")
    assert called == [
        AddToolCall("history-4", "c1", "press", "{}"),
        AddToolOutput("history-4-output", "c1", "pressed"),
    ]
    assert list(history((), "")) == []
    assert list(history((call, *TURNS[:1], said), ""))[:2] == [hello, AddAgentText("history-2", "One moment.")]
    assert [type(one) for one in history((call, said), "The line was lost.")] == [
        AddToolCall,
        AddToolOutput,
        AddAgentText,
        AddSystemText,
    ]


@given(st.lists(st.sampled_from([*TURNS, ToolTurn("c3", "look_up", "{}", "no")]), max_size=6))
def test_without_a_reason_nothing_is_left_out_nor_added(said: list[Turn]) -> None:
    def told(reason: str) -> list[str]:
        plain = [one for one in history(said, reason) if not isinstance(one, AddSystemText)]
        return sorted(str(msgspec.structs.replace(one, event_id="")) for one in plain)

    assert told("") == told("Go on.")


def test_where_nothing_was_said_only_the_reason_is_told() -> None:
    assert list(history((), "Go on.")) == [AddSystemText("history-1", "Go on.")]


texts = st.text(max_size=5)
turns = st.one_of(
    st.builds(CallerTurn, texts, texts),
    st.builds(AgentTurn, texts, texts, st.booleans()),
    st.builds(KeysTurn, texts),
    st.builds(ToolTurn, texts, texts, texts, st.none() | texts),
)


@given(st.lists(turns, max_size=8))
def test_every_call_of_a_call_that_is_over_is_answered_at_once_and_no_text_is_empty(said: list[Turn]) -> None:
    told = list(history(answered(said), "Go on."))

    assert [type(last) for last in told[-1:]] == [AddSystemText]
    for command, following in pairwise(told):
        if isinstance(command, AddToolCall):
            assert isinstance(following, AddToolOutput)
            assert following.call_id == command.call_id
        if isinstance(command, AddUserText | AddAgentText):
            assert command.text
    assert sum(isinstance(one, AddToolOutput) for one in told) == sum(isinstance(one, ToolTurn) for one in said)
