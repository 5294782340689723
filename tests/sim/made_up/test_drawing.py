"""What is drawn for a call: from any seed a whole one, from the same seed the same one, and over many everything."""

import random
from functools import cache

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_agent.agent import BargeIn
from voice_agent.call.greeting import LONGEST_KEPT_MS
from voice_agent.sim.carrier import Switches
from voice_agent.sim.made_up.call import LATEST_MS, MadeUpCall, oddities
from voice_agent.sim.made_up.drawing import SHORTEST_MS, draw
from voice_agent.sim.mishaps import Mishaps
from voice_agent.sim.realtime import parse_faults
from voice_agent.sim.realtime.faults import KINDS

SEEDS = st.integers(0, 2**40)


def drawn(seed: int) -> MadeUpCall:
    return draw(seed, random.Random(seed))


@cache
def many() -> list[MadeUpCall]:
    return [drawn(seed) for seed in range(3000)]


@given(SEEDS)
def test_any_seed_gives_a_whole_call_that_can_be_written_down_and_read_again(seed: int) -> None:
    call = drawn(seed)
    again = msgspec.json.decode(msgspec.json.encode(call), type=MadeUpCall)

    assert again == call
    assert call.answers
    assert 0 <= call.leaving.after_ms <= LATEST_MS
    assert len(call.setup.call_sid) == 34


@given(SEEDS)
def test_every_fault_that_is_drawn_is_one(seed: int) -> None:
    for faults in drawn(seed).faults:
        parse_faults(faults)


@given(SEEDS)
@settings(max_examples=30)
def test_the_same_seed_gives_the_same_call(seed: int) -> None:
    assert drawn(seed) == drawn(seed)


@given(SEEDS)
@settings(max_examples=30)
def test_another_seed_gives_another_call(seed: int) -> None:
    assert msgspec.structs.replace(drawn(seed), seed=0) != msgspec.structs.replace(drawn(seed + 1), seed=0)


def test_every_fault_of_the_model_s_service_comes_to_be_drawn() -> None:
    names = {name.partition("=")[0] for call in many() for name in oddities(call)}
    kinds = {kind.partition("=")[0].partition("[")[0].partition("@")[0] for kind in KINDS}

    assert {kind for kind in kinds - names if kind != "status-CODE"} == set()
    assert any(name.startswith("status-") for name in names)


def test_every_oddity_of_the_carrier_and_every_mishap_comes_to_be_drawn() -> None:
    names = {name for call in many() for name in oddities(call)}
    fields = {*Switches.__struct_fields__, *Mishaps.__struct_fields__}

    assert {field.replace("_", " ") for field in fields} - names == set()


def test_every_way_to_talk_and_to_go_comes_to_be_drawn() -> None:
    acts = {(act.what, act.when) for call in many() for act in call.acts}
    leavings = {(call.leaving.when, call.leaving.how) for call in many()}
    parts = {(bool(part.words), part.name) for call in many() for answer in call.answers for part in answer}

    assert {what for what, _ in acts} == {"speak", "two people", "keys", "break off"}
    assert {when for _, when in acts} == {"quiet", "agent speaks", "at once"}
    assert {when for when, _ in leavings} == {"time", "greeting", "tool", "goodbye"}
    assert {how for _, how in leavings} == {"caller_hung_up", "redirected", "ended_by_rest"}
    made_up = {"look_up", "book", "no_such_tool", "hang_up", "free_slots", "reserve", "collect"}
    made_up |= {"take_call", "decline_call"}
    assert {name for _, name in parts} == {"", "handoff", "transfer", "press", *made_up}
    assert any(answer == () for call in many() for answer in call.answers)


def test_every_kind_of_mcp_server_comes_to_be_drawn() -> None:
    remote = [call for call in many() if call.setup.agent.mcp]
    servers = [server for call in remote for server in call.setup.agent.mcp]
    work = [work for call in remote for tools in call.mcp.values() for work in tools.values()]

    assert 0.1 < len(remote) / len(many()) < 0.25
    assert {call.mcp_continues for call in remote} == {True, False}
    assert any(server.server_label not in call.mcp for call in remote for server in call.setup.agent.mcp)
    assert any(tools == {} for call in remote for tools in call.mcp.values())
    assert {(server.require_approval, server.approve) for server in servers} == {
        (asked, approve) for asked in ("always", "never") for approve in ("all", (), ("free_slots",))
    }
    assert {None, ("free_slots",), ("free_slots", "reserve")} == {server.allowed_tools for server in servers}
    assert {one.answers for one in work} == {one.failed for one in work} == {True, False}


def test_some_calls_can_be_handed_over_to_one_agent_or_two_and_back() -> None:
    handed = [call for call in many() if call.setup.others]
    agents = [agent for call in handed for agent in (call.setup.agent, *call.setup.others)]

    assert 0.1 < len(handed) / len(many()) < 0.25
    assert {len(call.setup.others) for call in handed} == {1, 2}
    assert {agent.name for agent in agents} == {"made-up", "billing", "sales"}
    assert all(sum(tool.kind == "handoff" for tool in agent.tools) == 1 for agent in agents)


def test_some_greetings_are_played_from_a_former_call_where_any_voice_may_interrupt() -> None:
    kept = [call.setup for call in many() if call.setup.kept_greeting is not None]

    assert len(kept) / len(many()) > 0.02
    assert all(setup.agent.greeting and setup.agent.barge_in == BargeIn() for setup in kept)
    assert all(len(setup.kept_greeting or b"") <= LONGEST_KEPT_MS * 8 for setup in kept)


def test_in_some_calls_sessions_grow_old() -> None:
    old = [call for call in many() if "old session" in oddities(call)]

    assert 0.05 < len(old) / len(many()) < 0.25
    assert all(call.setup.renew_ms <= 20_000 for call in old)


def test_a_good_part_of_the_calls_has_nothing_wrong_with_it() -> None:
    sound = sum(not oddities(call) for call in many())

    assert 0.15 < sound / len(many()) < 0.5


def test_nobody_who_leaves_by_the_clock_leaves_at_once() -> None:
    assert min(call.leaving.after_ms for call in many() if call.leaving.when == "time") >= SHORTEST_MS
