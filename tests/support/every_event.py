"""Every event of a call, drawn by the fields of its type, for an agent that has every kind of tool.

A type of event that is added is drawn without a word here. What a peer may send in a field is drawn as a peer may send
it: ids that are known and ids that are not, texts of the model that fit its tools and texts that fit nothing.
"""

import typing
from typing import Any

import msgspec
from hypothesis import strategies as st

from tests.support.agent_files import agent_of
from voice_agent.agent import Agent, Tool
from voice_agent.call.conversation import AgentTurn, CallerTurn, Conversation, Resumption, ToolTurn
from voice_agent.call.events import CallEvent
from voice_agent.call.setup import CallSetup

AGENT = """
numbers: ["+14255550100"]
recording: audio
greeting: Hello.
limits: {minutes: 1, idle_seconds: 5, tool_seconds: 3}
tools:
  - hang_up
  - transfer: {to: {front_desk: "+14255550101", night_desk: "sip:night@pbx.example.com"}}
  - transfer: {name: ask, to: {ana: "+14255550102"}, warm: true}
  - collect_digits
  - collect_digits: {name: pin, length: 4, secret: true}
  - send_digits
  - send_digits: {name: open_door, digits: {front: "12#"}}
  - send_digits: {name: press, by: call}
  - handoff: billing
  - http: {name: look_up, description: Look., url: "https://api.example.com/x", parameters: {day: {type: string}}}
  - mcp: {server_label: calendar, server_url: "https://mcp.example.com/mcp", require_approval: always, approve: [book]}
"""
OTHER = """
barge_in: {after_ms: 300}
tools: [hang_up, handoff: reception, collect_digits]
"""

_TOOLS = [
    "hang_up", "transfer", "ask", "collect_digits", "pin", "send_digits", "open_door", "press", "handoff", "look_up",
    "take_call", "decline_call", "nobody",
]  # fmt: skip
_ARGUMENTS = [
    "", "{}", "{", '{"to":"front_desk"}', '{"to":"ana","summary":"A caller."}', '{"to":"billing"}', '{"to":5}',
    '{"digits":"1w2#"}', '{"digits":"front"}', '{"to":"front_desk","x":' + "[" * 3000 + "]" * 3000 + "}", "\ud800",
]  # fmt: skip
_POOLS: dict[str, st.SearchStrategy[Any]] = {
    "response_id": st.sampled_from(["r1", "r2", "r3"]),
    "item_id": st.sampled_from(["a", "b", "u1", "u2", "m1"]),
    "call_id": st.sampled_from(["c1", "c2", "c3", "m1"]),
    "request_id": st.sampled_from(["m1", "a1"]),
    "request": st.sampled_from([None, "greeting-1", "tool-1", "keys-1", "goodbye-1", "turn-1", "retry-1", "handoff-1"]),
    "name": st.sampled_from(_TOOLS)
    | st.builds("{}-{}".format, st.sampled_from(["start", "play", "cut"]), st.integers(1, 9)),
    "server": st.sampled_from(["calendar", ""]),
    "arguments": st.sampled_from(_ARGUMENTS),
    "digit": st.sampled_from("0123456789*#"),
    "audio": st.integers(0, 9).map(lambda frames: b"\x10" * (frames * 800)) | st.binary(max_size=9),
    "conference": st.sampled_from(["", "room"]),
    "timestamp_ms": st.integers(0, 90_000) | st.integers(-10, 2**40),
    "sent_ms": st.integers(0, 2000),
    "content_index": st.integers(0, 1),
    "code": st.sampled_from([None, 1000, 1006, 4000]),
}
"""By the name of a field; small, so that what is drawn meets what was drawn before."""


def _drawn(kind: type[CallEvent]) -> st.SearchStrategy[CallEvent]:
    hints = typing.get_type_hints(kind)
    fields = {field.name: _field(field.name, hints[field.name]) for field in msgspec.structs.fields(kind)}
    return st.builds(kind, **fields)


def _field(name: str, kind: Any) -> st.SearchStrategy[Any]:
    pool = _POOLS.get(name)
    if name == "code" and kind == str | None:  # of an error; elsewhere it is of a close frame
        return st.sampled_from([None, "conversation_already_has_active_response", "invalid_value"])
    if name == "request" and kind is str:
        return st.sampled_from(["", "handoff-1", "handoff-2"])
    if pool is not None:
        return pool
    return st.integers(-10, 10_000) if kind is int else st.from_type(kind)


def every_event() -> st.SearchStrategy[CallEvent]:
    """Any event with anything in it."""
    return st.one_of([_drawn(kind) for kind in typing.get_args(CallEvent)])


def every_setup() -> st.SearchStrategy[CallSetup]:
    """A call with every kind of tool: ours or theirs, new or resumed."""
    agent, other = agent_of(AGENT), msgspec.structs.replace(agent_of(OTHER), name="billing")
    machine = agent_of(AGENT + "on_machine: {leave: Call us.}\nbarge_in: {after_ms: 300}\n")
    asked = [Tool(name, "", {"type": "object", "properties": {}}, name) for name in ("take_call", "decline_call")]
    colleague = msgspec.structs.replace(agent, tools=(*asked, *agent.tools[:1]))
    spoken = (
        CallerTurn("u1", "Hello?"),
        AgentTurn("a", "Yes", interrupted=True),
        ToolTurn("c1", "look_up", "{}", None),
    )
    resumed = Resumption(Conversation("reception", spoken), "The line was lost.")

    def setup(wanted: Agent, **given: Any) -> CallSetup:
        return CallSetup(call_sid="CA1", agent=wanted, others=(other,), caller="+14255550199", **given)

    return st.builds(
        setup,
        st.sampled_from([agent, machine, colleague]),
        outbound=st.booleans(),
        preconnect=st.booleans(),
        rest=st.booleans(),
        kept_greeting=st.sampled_from([None, b"\x10" * 8000]),
        resumed=st.sampled_from([None, resumed]),
    )
