"""Draws everything of a call from a seed: agent, caller, mind, network, carrier, and what goes wrong.

Half of the calls have a sound network and a carrier as documented; the other half have each oddity with a chance of its
own, so that a break can often be told from what was not odd. Most calls last 10 to 40 s.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from voice_agent.agent import (
    Agent,
    BargeIn,
    Handoff,
    Limits,
    McpServer,
    ModelOptions,
    SemanticVad,
    ServerVad,
    Tool,
    Transcription,
)
from voice_agent.call.greeting import LONGEST_KEPT_MS
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.sim.carrier import Switches
from voice_agent.sim.made_up.call import LATEST_MS, Act, Leaving, MadeUpCall, Moment, Part, Way
from voice_agent.sim.made_up.fallbacks import with_fallbacks
from voice_agent.sim.made_up.faults import draw_faults
from voice_agent.sim.made_up.machines import with_callee
from voice_agent.sim.made_up.pressing import with_pressing
from voice_agent.sim.made_up.rarities import with_rarities
from voice_agent.sim.made_up.resuming import with_past
from voice_agent.sim.made_up.transferring import with_transfer
from voice_agent.sim.made_up.typing import with_typing
from voice_agent.sim.mishaps import Gap, Mishaps, ToolWork
from voice_agent.sim.network import Chance, Network, Timing
from voice_agent.sim.world import voice

_T = TypeVar("_T")

HALF_LIFE_MS = 34_000
"""Half of the callers who have stayed so far leave within this."""

SHORTEST_MS = 2000
"""Nobody is quicker; who hangs up in the first second is who hangs up before the stream."""

_NOTHING: dict[str, object] = {"type": "object", "properties": {}}

TOOLS = (
    Tool("hang_up", "End the call.", _NOTHING, "hang_up"),
    Tool("look_up", "Look it up.", _NOTHING, "python", "made_up:look_up"),
    Tool("book", "Book it.", _NOTHING, "python", "made_up:book"),
)


def draw(seed: int, chance: Chance) -> MadeUpCall:
    """Draw one call; `chance` is seeded by `seed`."""
    agent = _agent(chance)
    setup = CallSetup(
        call_sid=f"CA{seed:032d}"[-34:],
        agent=agent,
        caller="+14255550123",
        called="+14255550100",
        model=ModelSetup(
            model="gpt-realtime-2.1",
            dialect="preview" if _one_in(chance, 4) else "ga",
            audio="pcm24k" if _one_in(chance, 4) else "g711",
        ),
        preconnect=not _one_in(chance, 4),
        rest=not _one_in(chance, 3),
    )
    odd = _one_in(chance, 2)
    leaving = _leaving(chance)
    call = MadeUpCall(
        seed=seed,
        setup=setup,
        acts=tuple(_act(chance) for _ in range(chance.randint(0, 9))),
        leaving=leaving,
        answers=tuple(_answer(chance) for _ in range(chance.randint(1, 8))),
        tools={"look_up": _tool_work(chance), "book": _tool_work(chance)},
        network=_network(chance, odd),
        timing=_timing(chance),
        switches=_switches(chance) if odd else Switches(),
        mishaps=_mishaps(chance, leaving) if odd else Mishaps(),
        faults=draw_faults(chance, min(leaving.after_ms, LATEST_MS)) if _one_in(chance, 2) else (),
        pace=_pick(chance, (1, 2, 4, 4, 4, 8, 0)),
        delta_ms=_pick(chance, (20, 20, 100, 200)),
    )
    call = _with_mcp(chance, call) if _one_in(chance, 6) else call
    call = with_typing(call, chance, odd=odd)
    call = _with_others(chance, call) if _one_in(chance, 6) else call
    call = with_transfer(with_callee(call, chance), chance)
    call = with_pressing(call, chance)
    call = _with_kept_greeting(chance, call) if _one_in(chance, 8) else call
    call = with_past(with_fallbacks(call, chance), chance)
    call = _with_old_sessions(chance, call) if _one_in(chance, 8) else call
    return with_rarities(call, chance)


def _with_old_sessions(chance: Chance, call: MadeUpCall) -> MadeUpCall:
    """Let sessions grow old within the call. Drawn behind all else, see `resuming`."""
    return msgspec.structs.replace(
        call, setup=msgspec.structs.replace(call.setup, renew_ms=chance.randint(500, 20_000))
    )


# --- chance ----------------------------------------------------------------------------------------------------------


def _one_in(chance: Chance, of: int) -> bool:
    return chance.randint(1, of) == 1


def _pick(chance: Chance, values: Sequence[_T]) -> _T:
    return values[chance.randint(0, len(values) - 1)]


def _exponential_ms(chance: Chance, half_life_ms: int) -> int:
    return round(-math.log2(1 - chance.random()) * half_life_ms)


# --- the agent -------------------------------------------------------------------------------------------------------


def _agent(chance: Chance) -> Agent:
    greeting = None if _one_in(chance, 5) else "Hello there, dear caller, how can I help you today?"
    return Agent(
        name="made-up",
        instructions="Speak.",
        greeting=greeting,
        turn_detection=_turn_detection(chance),
        barge_in=BargeIn(
            after_ms=_pick(chance, (0, 0, 0, 200, 300, 600)),
            protect_greeting=greeting is not None and _one_in(chance, 4),
        ),
        transcription=None if _one_in(chance, 5) else Transcription(),
        tools=TOOLS if not _one_in(chance, 6) else (),
        limits=Limits(
            minutes=1 if _one_in(chance, 10) else 15,
            idle_seconds=_pick(chance, (0, 4, 6, 10, 20)),
            tool_seconds=_pick(chance, (2, 5, 20)),
        ),
        model=ModelOptions(max_output_tokens=chance.randint(20, 200) if _one_in(chance, 10) else None),
    )


def _turn_detection(chance: Chance) -> ServerVad | SemanticVad:
    if _one_in(chance, 5):
        return SemanticVad(_pick(chance, ("high", "auto", "low")))
    return ServerVad(
        threshold=_pick(chance, (0.3, 0.5, 0.5, 0.8)),
        prefix_padding_ms=_pick(chance, (0, 300, 300)),
        silence_duration_ms=_pick(chance, (200, 200, 300, 500, 500, 800)),
        idle_timeout_ms=chance.randint(5000, 8000) if _one_in(chance, 6) else None,
    )


# --- caller and model ------------------------------------------------------------------------------------------------


def _act(chance: Chance) -> Act:
    match chance.randint(1, 20):
        case 1 | 2 | 3 | 4 | 5 | 6:
            return Act(when="quiet", after_ms=chance.randint(100, 2500), length_ms=chance.randint(400, 3000))
        case 7 | 8 | 9 | 10 | 11 | 12:
            return Act(when="agent speaks", after_ms=chance.randint(0, 2500), length_ms=chance.randint(300, 1500))
        case 13 | 14:  # a cough
            return Act(when="agent speaks", after_ms=chance.randint(0, 2500), length_ms=chance.randint(40, 220))
        case 15:
            return Act(when="at once", after_ms=chance.randint(0, 1500), length_ms=chance.randint(40, 900))
        case 16:
            return Act(when="quiet", after_ms=chance.randint(4000, 12_000), length_ms=chance.randint(400, 1500))
        case 17:
            return Act(what="two people", after_ms=chance.randint(0, 1500), length_ms=chance.randint(2000, 6000))
        case 18:
            return Act(when="at once", what="break off", after_ms=chance.randint(20, 400))
        case _:
            keys = "".join(_pick(chance, "0123456789*#") for _ in range(chance.randint(1, 4)))
            pressing = Act(what="keys", after_ms=chance.randint(0, 1500), keys=keys)
            return msgspec.structs.replace(pressing, when="agent speaks") if _one_in(chance, 2) else pressing


_MOMENTS: tuple[Moment, ...] = ("greeting", "tool", "goodbye", "goodbye")
_WAYS: tuple[Way, ...] = ("caller_hung_up",) * 8 + ("redirected", "ended_by_rest")


def _leaving(chance: Chance) -> Leaving:
    if _one_in(chance, 6):
        when, after_ms = _pick(chance, _MOMENTS), chance.randint(0, 2500)
    else:
        when, after_ms = "time", min(LATEST_MS, SHORTEST_MS + _exponential_ms(chance, HALF_LIFE_MS))
    return Leaving(
        after_ms=max(after_ms, SHORTEST_MS) if when == "greeting" else after_ms,
        when=when,
        how=_pick(chance, _WAYS),
        with_stop=not _one_in(chance, 6),
        with_close=not _one_in(chance, 6),
    )


_ARGUMENTS = ("{}", '{"day": "Monday"}', '{"day": ', "", "[]", "null", '{"day": "\\ud83d\\udcde"}', '{"a": 1e999}')
"""As models write them: most of them are wrong."""


def _call(chance: Chance) -> Part:
    name = _pick(chance, ("look_up", "look_up", "book", "no_such_tool"))
    return Part(name=name, arguments="{}" if _one_in(chance, 2) else _pick(chance, _ARGUMENTS))


def _answer(chance: Chance) -> tuple[Part, ...]:
    words = Part(chance.randint(2, 20))
    hang_up = Part(name="hang_up")
    kinds: tuple[tuple[int, tuple[Part, ...]], ...] = (
        (6, (words,)),
        (2, (words, Part(chance.randint(1, 12)))),
        (1, (Part(chance.randint(40, 120)),)),
        (1, (_call(chance),)),
        (1, (words, _call(chance))),
        (1, (words, _call(chance), Part(chance.randint(2, 10)))),
        (1, tuple(_call(chance) for _ in range(chance.randint(2, 4)))),
        (1, (words, hang_up)),
        (1, (_pick(chance, ((hang_up,), (_call(chance), hang_up), (), (words, hang_up, words))))),
    )
    return _pick(chance, [answer for weight, answer in kinds for _ in range(weight)])


def _tool_work(chance: Chance) -> ToolWork:
    match chance.randint(1, 8):
        case 1:
            return ToolWork('{"error": "it failed"}', failed=True)
        case 2:
            return ToolWork("42", after_ms=chance.randint(2000, 9000))
        case 3 if _one_in(chance, 2):
            return ToolWork(answers=False)
        case 4:
            return ToolWork('"at once"', after_ms=0)
        case _:
            return ToolWork('{"answer": 42}')


# --- MCP servers -----------------------------------------------------------------------------------------------------

_MCP_TOOLS = ("free_slots", "reserve")


def _with_mcp(chance: Chance, call: MadeUpCall) -> MadeUpCall:
    """Give the agent an MCP server or two, and the model something to call there.

    Their tools are listed at once, or not at all: a session waits with its first response until they are, and what the
    service does about a server that is slow to list is not documented.
    """
    labels = ("calendar", "records")[: chance.randint(1, 2)]
    agent = msgspec.structs.replace(call.setup.agent, mcp=tuple(_mcp_server(chance, label) for label in labels))
    answers = list(call.answers)
    for _ in range(chance.randint(1, 3)):
        answers.insert(chance.randint(0, len(answers)), _remote_answer(chance))
    return msgspec.structs.replace(
        call,
        setup=msgspec.structs.replace(call.setup, agent=agent),
        answers=tuple(answers),
        mcp={label: _mcp_work(chance) for label in labels if not _one_in(chance, 8)},
        mcp_continues=_one_in(chance, 2),
    )


def _mcp_server(chance: Chance, label: str) -> McpServer:
    return McpServer(
        server_label=label,
        server_url=f"https://{label}.example.com/mcp",
        allowed_tools=None if _one_in(chance, 2) else _MCP_TOOLS[: chance.randint(1, 2)],
        require_approval="always" if _one_in(chance, 2) else "never",
        approve="all" if _one_in(chance, 2) else _MCP_TOOLS[: chance.randint(0, 1)],
    )


def _mcp_work(chance: Chance) -> dict[str, ToolWork]:
    return {name: _tool_work(chance) for name in _MCP_TOOLS[: chance.randint(0, 5)]}


def _remote_answer(chance: Chance) -> tuple[Part, ...]:
    words = Part(chance.randint(1, 15))
    called = Part(name=_pick(chance, _MCP_TOOLS))
    return _pick(
        chance,
        ((called,), (called,), (words, called), (words, called, words), (called, called), (called, _call(chance))),
    )


# --- the greeting ----------------------------------------------------------------------------------------------------


def _with_kept_greeting(chance: Chance, call: MadeUpCall) -> MadeUpCall:
    """Have the greeting played from a former call, where the server would do so."""
    agent = call.setup.agent
    if agent.greeting is None or agent.barge_in != BargeIn() or call.setup.outbound:
        return call
    kept = voice(chance.randint(500, LONGEST_KEPT_MS))
    return msgspec.structs.replace(call, setup=msgspec.structs.replace(call.setup, kept_greeting=kept))


# --- other agents ----------------------------------------------------------------------------------------------------

_GIVEN_TO = (
    "{}", '{"to": "billing"}', '{"to": "billing", "reason": "an invoice"}', '{"to": "sales"}', '{"to": "made-up"}',
    '{"to": "nobody"}', '{"to": ',
)  # fmt: skip


def _with_others(chance: Chance, call: MadeUpCall) -> MadeUpCall:
    """Give the agent one or two others whom it can hand the call over to, and who can hand it on and back."""
    first = call.setup.agent
    names = (first.name, *("billing", "sales")[: chance.randint(1, 2)])
    taking_over = (msgspec.structs.replace(_agent(chance), name=name, greeting=None) for name in names[1:])
    agent, *others = (_handing_over(agent, names) for agent in (first, *taking_over))
    answers = list(call.answers)
    for _ in range(chance.randint(1, 4)):
        answers.insert(chance.randint(0, len(answers)), _handing(chance))
    setup = msgspec.structs.replace(call.setup, agent=agent, others=tuple(others))
    return msgspec.structs.replace(call, setup=setup, answers=tuple(answers))


def _handing_over(agent: Agent, names: Sequence[str]) -> Agent:
    to = Handoff(to=tuple(name for name in names if name != agent.name))
    tool = Tool("handoff", "Hand it over.", _NOTHING, "handoff", handoff=to)
    return msgspec.structs.replace(agent, tools=(*agent.tools, tool))


def _handing(chance: Chance) -> tuple[Part, ...]:
    words = Part(chance.randint(1, 15))
    called = Part(name="handoff", arguments=_pick(chance, _GIVEN_TO))
    hang_up = Part(name="hang_up")
    kinds: tuple[tuple[Part, ...], ...] = (
        (called,),
        (words, called),
        (words, called, words),
        (called, called),
        (words, called, hang_up),
        (_call(chance), called),
    )
    return _pick(chance, kinds)


# --- what is between them --------------------------------------------------------------------------------------------


def _network(chance: Chance, odd: bool) -> Network:
    if not odd:
        return Network(phone_up_ms=chance.randint(10, 80), phone_down_ms=chance.randint(10, 80))
    return Network(
        phone_up_ms=chance.randint(0, 200),
        phone_down_ms=chance.randint(0, 200),
        phone_jitter_ms=_pick(chance, (0, 10, 60)),
        model_ms=chance.randint(0, 150),
        model_jitter_ms=_pick(chance, (0, 20, 60)),
    )


def _timing(chance: Chance) -> Timing:
    return Timing(
        stream_ms=_pick(chance, (50, 300, 300, 300, 1500)),
        connect_ms=_pick(chance, (100, 300, 300, 2500)),
        recognise_ms=_pick(chance, (200, 2000)),
        think_ms=_pick(chance, (100, 300, 300, 300, 3000)),
        speak_ms=_pick(chance, (50, 100, 400)),
        tool_ms=_pick(chance, (20, 500, 500)),
        hang_up_ms=_pick(chance, (50, 200, 2000)),
    )


def _switches(chance: Chance) -> Switches:
    return Switches(
        echo_marks_on_clear=not _one_in(chance, 3),
        echo_before_frame=_one_in(chance, 3),
        marks_at_frame_edges=_one_in(chance, 3),
        silent_gaps=_one_in(chance, 4),
        play_buffer_after_close=_one_in(chance, 3),
        action_after_abnormal_close=not _one_in(chance, 3),
        frame_ms=_pick(chance, (20, 20, 20, 10, 30, 40)),
    )


def _mishaps(chance: Chance, leaving: Leaving) -> Mishaps:
    around_ms = leaving.after_ms + 3000
    gaps = tuple(
        Gap(chance.randint(0, around_ms), _pick(chance, (20, 60, 200, 900, 2500)))
        for _ in range(chance.randint(1, 3) if _one_in(chance, 4) else 0)
    )
    return Mishaps(
        no_stream=_one_in(chance, 30),
        dead_at_ms=chance.randint(SHORTEST_MS, around_ms) if _one_in(chance, 20) else None,
        lost_marks_percent=_pick(chance, (0, 0, 0, 0, 5, 30, 100)),
        doubled_marks_percent=_pick(chance, (0, 0, 0, 0, 5, 30)),
        gaps=gaps,
        hang_up_problem="HTTP 500" if _one_in(chance, 5) else "",
        end_requested_ms=chance.randint(SHORTEST_MS, around_ms) if _one_in(chance, 20) else None,
        unreachable=1 if _one_in(chance, 25) else 0,
    )
