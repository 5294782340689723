import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.agent import (
    Agent,
    BargeIn,
    Limits,
    McpServer,
    ModelOptions,
    Prompt,
    Retention,
    SemanticVad,
    ServerVad,
    Transcription,
)
from voice_agent.config import agent_keys, tool_schema
from voice_agent.config.agent_file import read_agent
from voice_agent.config.agent_keys import agent_schema, schema_text
from voice_agent.config.agents import agent_paths
from voice_agent.config.settings import PACKAGED_AGENTS
from voice_agent.errors import ConfigError

SCHEMA = jsonschema.Draft7Validator(agent_schema())
SCENARIO = {
    "name": "hours",
    "caller": ["Are you open?", {"say": "Sorry, on Sunday.", "interrupt_ms": 1500}],
    "expect": {"heard": ["open"], "said": ["9"], "interruptions": 1, "ended": "completed"},
}
HTTP = {
    "name": "find",
    "description": "Find.",
    "url": "https://api.example.com/",
    "parameters": {"day": {"type": "string"}},
}
MINIMAL = {"name": "reception", "instructions": "You answer the phone."}


def reader_accepts(value: dict[str, Any]) -> bool:
    try:
        read_agent(json.dumps(value), "a.yaml")
    except ConfigError:
        return False
    return True


def both_accept(value: dict[str, Any]) -> bool:
    """Ask the reader and the schema, which must agree."""
    accepted = bool(SCHEMA.is_valid(value))
    assert reader_accepts(value) is accepted, value
    return accepted


# --- the table and what agents are -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "struct", "elsewhere"),
    [
        (agent_keys.AGENT, Agent, {"folder", "languages", "mcp"}),
        (tool_schema.MCP, McpServer, set()),
        (agent_keys.LIMITS, Limits, set()),
        (agent_keys.SERVER_VAD, ServerVad, set()),
        (agent_keys.SEMANTIC_VAD, SemanticVad, set()),
        (agent_keys.TRANSCRIPTION, Transcription, set()),
        (agent_keys.MODEL, ModelOptions, set()),
        (agent_keys.PROMPT, Prompt, set()),
    ],
)
def test_every_field_of_an_agent_has_a_key(
    keys: dict[str, Any], struct: type[msgspec.Struct], elsewhere: set[str]
) -> None:
    assert set(keys) - {"type", "scenarios"} | elsewhere == set(struct.__struct_fields__)


def test_the_defaults_that_an_editor_shows_are_those_of_an_agent() -> None:
    usual = {"limits": Limits(), "barge_in": BargeIn()}
    for name, struct in usual.items():
        keys = {"limits": agent_keys.LIMITS, "barge_in": agent_keys.BARGE_IN}[name]
        shown = {key: schema["default"] for key, schema in keys.items() if key in struct.__struct_fields__}
        assert shown == {key: getattr(struct, key) for key in shown}


# --- one truth -------------------------------------------------------------------------------------------------------


def test_the_schema_is_one_of_draft_7() -> None:
    jsonschema.Draft7Validator.check_schema(agent_schema())


EXAMPLES = [
    *agent_paths(PACKAGED_AGENTS),
    *(path for name in ("dental", "parcel") for path in agent_paths(PACKAGED_AGENTS / name)),
]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_name_the_schema_that_is_packaged_beside_them(path: Path) -> None:
    schema = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", path.read_text(encoding="utf-8").splitlines()[0])

    assert schema is not None
    assert (path.parent / schema[1]).read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize(
    ("added", "good"),
    [
        ({}, True),
        ({"name": "no name"}, False),
        ({"name": ["a"]}, False),
        ({"instructions": "  "}, False),
        ({"instructions": 2026, "greeting": 7, "on_machine": {"leave": False}}, True),
        ({"instructions": "two\nlines\n"}, True),
        ({"nubmers": []}, False),
        ({"numbers": []}, True),
        ({"numbers": ["+14255550100"]}, False),
        ({"numbers": ["+14255550100"], "recording": "audio"}, True),
        ({"numbers": ["+14255550100", "+14255550100"], "recording": "audio"}, False),
        ({"numbers": ["4255550100"], "recording": "audio"}, False),
        ({"default": True}, True),
        ({"default": "yes"}, True),
        ({"default": "maybe"}, False),
        ({"default": None}, False),
        ({"language": "pt-BR"}, True),
        ({"language": "Portuguese"}, False),
        ({"variables": {"year": 2026, "open": True, "rate": 1.5, "name": ""}}, True),
        ({"variables": {"two words": "x"}}, False),
        ({"variables": {"a": ["x"]}}, False),
        ({"greeting": "none"}, True),
        ({"greeting": ""}, False),
        ({"consent": "This call is recorded."}, True),
        ({"tools": ["hang_up"]}, True),
        ({"tools": ["hang"]}, False),
        ({"tools": [{"python": "a:b", "more": 1}]}, False),
        ({"tools": [{}]}, False),
        ({"tools": "hang_up"}, False),
        ({"tools": ["hang_up", "send_sms"]}, True),
        ({"tools": [{"send_sms": {}}]}, True),
        ({"tools": [{"transfer": {"to": {"desk": "+14255550100", "night": "sip:n@pbx.example.com"}}}]}, True),
        ({"tools": [{"transfer": {"to": {"desk": "+14255550100"}, "seconds": 10, "from": "+14255550100"}}]}, True),
        (
            {"tools": [{"transfer": {"to": {"desk": "+14255550100"}, "warm": True, "announcement": "{{ summary }}"}}]},
            True,
        ),
        ({"tools": [{"transfer": {"to": {"desk": "+14255550100"}, "warm": True, "announcement": "Hi"}}]}, False),
        ({"tools": ["transfer"]}, False),
        ({"tools": [{"transfer": {}}]}, False),
        ({"tools": [{"transfer": {"to": {}}}]}, False),
        ({"tools": [{"transfer": {"to": {"desk": "4255550100"}}}]}, False),
        ({"tools": [{"transfer": {"to": {"front desk": "+14255550100"}}}]}, False),
        ({"tools": [{"send_sms": {"to": "caller", "from": "+14255550100", "countries": ["+1"]}}]}, True),
        ({"tools": [{"send_sms": {"to": ["+14255550100"], "text": "Hi"}}]}, True),
        ({"tools": [{"send_sms": {"to": {"desk": "+14255550100"}}}]}, True),
        ({"tools": [{"send_sms": {"to": {"desk": "4255550100"}}}]}, False),
        ({"tools": [{"send_sms": {"to": []}}]}, False),
        ({"tools": [{"send_sms": {"to": "desk"}}]}, False),
        ({"tools": [{"send_sms": {"text": " "}}]}, False),
        ({"tools": [{"send_sms": {"countries": ["1"]}}]}, False),
        ({"tools": ["collect_digits", {"collect_digits": {"name": "pin", "length": 4}}]}, True),
        ({"tools": [{"collect_digits": {"terminator": "none", "timeout_seconds": 3}}]}, True),
        ({"tools": [{"collect_digits": {"length": 0}}]}, False),
        ({"tools": [{"collect_digits": {"terminator": "5"}}]}, False),
        ({"tools": [{"collect_digits": {"timeout_seconds": 0.5}}]}, False),
        ({"tools": ["send_digits", {"send_digits": {"name": "open", "digits": {"door": "1w2#", "gate": 12}}}]}, True),
        ({"tools": [{"send_digits": {"digits": {"door": "A"}}}]}, False),
        ({"tools": [{"send_digits": {"digits": {"front door": "1"}}}]}, False),
        ({"tools": [{"send_digits": {"digits": {}}}]}, False),
        ({"tools": [{"http": HTTP}]}, True),
        ({"tools": [{"http": HTTP | {"method": "POST", "body": {"a": ["{{ day }}"]}, "take": ["a", "b.0"]}}]}, True),
        ({"tools": [{"http": HTTP | {"timeout": 5, "take": "a", "allow_private": False}}]}, True),
        ({"tools": [{"http": HTTP | {"headers": {"X-Api-Key": "${KEY}", "X-Branch": "a"}}}]}, True),
        ({"tools": [{"http": HTTP | {"headers": {"X-Api-Key": "abc"}}}]}, False),
        ({"tools": [{"http": HTTP | {"parameters": {"day": {"type": "array", "items": {"type": "integer"}}}}}]}, True),
        ({"tools": [{"http": HTTP | {"parameters": {"day": {}}}}]}, False),
        ({"tools": [{"http": HTTP | {"parameters": {"day": "string"}}}]}, False),
        ({"tools": [{"http": HTTP | {"method": "HEAD"}}]}, False),
        ({"tools": [{"http": HTTP | {"url": "api.example.com"}}]}, False),
        ({"tools": [{"http": HTTP | {"take": []}}]}, False),
        ({"tools": [{"http": {"name": "find", "url": "https://api.example.com"}}]}, False),
        ({"limits": {"minutes": 60, "idle_seconds": 0}}, True),
        ({"limits": {"minutes": 61}}, False),
        ({"limits": {"hours": 1}}, False),
        ({"limits": None}, False),
        ({"recording": "on"}, False),
        ({"turn_detection": {"type": "server_vad", "threshold": 0.5}}, True),
        ({"turn_detection": {"threshold": 0.5}}, False),
        ({"turn_detection": {"type": "semantic_vad", "eagerness": "low"}}, True),
        ({"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}, False),
        ({"turn_detection": "server_vad"}, False),
        ({"barge_in": "at_once"}, True),
        ({"barge_in": {"after_ms": 300, "greeting": "protected"}}, True),
        ({"barge_in": "never"}, False),
        ({"on_machine": "hang_up"}, True),
        ({"on_machine": {"leave": "Hello."}}, True),
        ({"on_machine": {"leave": " "}}, False),
        ({"on_machine": "leave"}, False),
        ({"transcription": "off"}, True),
        ({"transcription": {"model": "m", "language": "en", "prompt": "Alder"}}, True),
        ({"transcription": {"speed": 1}}, False),
        ({"noise_reduction": "far_field"}, True),
        ({"noise_reduction": "none"}, False),
        ({"model": {}}, True),
        ({"model": {"reasoning_effort": "high", "speed": 1.25, "max_output_tokens": "inf"}}, True),
        ({"model": {"max_output_tokens": 4096, "truncation": "disabled"}}, True),
        ({"model": {"truncation": {"retention": 0.8, "tokens": 8000}}}, True),
        ({"model": {"truncation": {"tokens": 8000}}}, False),
        ({"model": {"truncation": {"retention": 1.5}}}, False),
        ({"model": {"truncation": "off"}}, False),
        ({"model": {"speed": 2}}, False),
        ({"model": {"reasoning_effort": "extreme"}}, False),
        ({"model": {"max_output_tokens": 0}}, False),
        ({"model": "gpt-realtime-2.1"}, False),
        ({"model": {"prompt": {"id": "pmpt_1", "version": 2, "variables": {"company": "Alder"}}}}, True),
        ({"model": {"prompt": {"id": " "}}}, False),
        ({"model": {"prompt": {"version": "2"}}}, False),
        ({"model": {"prompt": "pmpt_1"}}, False),
        ({"model": {"prompt": {"id": "pmpt_1", "variables": {"two words": "x"}}}}, False),
        ({"scenarios": []}, True),
        ({"scenarios": [SCENARIO]}, True),
        ({"scenarios": SCENARIO}, False),
        ({"scenarios": [{**SCENARIO, "callers": []}]}, False),
        ({"scenarios": [{"name": "a", "caller": ["Hi."]}]}, False),
        ({"scenarios": [{**SCENARIO, "name": " "}]}, False),
        ({"scenarios": [{**SCENARIO, "caller": []}]}, False),
        ({"scenarios": [{**SCENARIO, "caller": [""]}]}, False),
        ({"scenarios": [{**SCENARIO, "caller": [{"say": "Hi.", "keys": "1"}]}]}, False),
        ({"scenarios": [{**SCENARIO, "caller": [{"keys": "12*#", "interrupt_ms": 0}]}]}, True),
        ({"scenarios": [{**SCENARIO, "caller": [{"keys": 12}]}]}, True),
        ({"scenarios": [{**SCENARIO, "caller": [{"keys": "A"}]}]}, False),
        ({"scenarios": [{**SCENARIO, "caller": [{"silence_ms": 22000}]}]}, True),
        ({"scenarios": [{**SCENARIO, "caller": [{"silence_ms": 22000, "interrupt_ms": 1}]}]}, False),
        ({"scenarios": [{**SCENARIO, "caller": [{"interrupt_ms": 100}]}]}, False),
        ({"scenarios": [{**SCENARIO, "expect": {}}]}, False),
        ({"scenarios": [{**SCENARIO, "expect": {"sayd": ["a"]}}]}, False),
        ({"scenarios": [{**SCENARIO, "expect": {"tools": ["hang_up", {"find": {"day": "Monday", "n": 2}}]}}]}, True),
        ({"scenarios": [{**SCENARIO, "expect": {"tools": [{"find": {}, "book": {}}]}}]}, False),
        ({"scenarios": [{**SCENARIO, "expect": {"ended": "done"}}]}, False),
        ({"scenarios": [{**SCENARIO, "expect": {"responses": {"slowest_ms": 900}, "cost": {"money": 0.5}}}]}, True),
        ({"turn_detection": {"type": "server_vad", "idle_timeout_ms": 30000}}, True),
        ({"turn_detection": {"type": "server_vad", "idle_timeout_ms": 4999}}, False),
        ({"turn_detection": {"type": "semantic_vad", "idle_timeout_ms": 6000}}, False),
    ],
)
def test_reader_and_schema_agree(added: dict[str, Any], good: bool) -> None:
    assert both_accept(MINIMAL | added) is good


@pytest.mark.parametrize("missing", ["name", "instructions"])
def test_what_is_required_is_required_by_both(missing: str) -> None:
    assert not both_accept({key: value for key, value in MINIMAL.items() if key != missing})


def test_instructions_may_stand_at_the_provider() -> None:
    assert both_accept({"name": "reception", "model": {"prompt": {"id": "pmpt_1"}}})
    assert not both_accept({"name": "reception", "model": {"speed": 1.1}})


WORDS = st.sampled_from(
    ["audio", "text", "off", "low", "high", "auto", "server_vad", "semantic_vad", "disabled", "inf", "hang_up", "near"]
)
NUMBERS = st.integers(-2, 70_000) | st.sampled_from([0.25, 0.5, 0.8, 1.1, 1.5, 2.5])
SCALARS = WORDS | NUMBERS | st.booleans() | st.none()


def trees(keys: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Draw mappings of known and unknown keys, down to scalars that may or may not fit."""
    inner: dict[str, st.SearchStrategy[Any]] = {
        "limits": st.dictionaries(st.sampled_from(list(agent_keys.LIMITS)), SCALARS),
        "turn_detection": st.dictionaries(
            st.sampled_from(["type", *agent_keys.SERVER_VAD, *agent_keys.SEMANTIC_VAD]), SCALARS
        ),
        "on_machine": SCALARS | st.dictionaries(st.sampled_from(list(agent_keys.ON_MACHINE)), SCALARS),
        "barge_in": st.dictionaries(st.sampled_from(list(agent_keys.BARGE_IN)), SCALARS),
        "model": st.dictionaries(
            st.sampled_from(list(agent_keys.MODEL)),
            SCALARS | st.dictionaries(st.sampled_from(list(agent_keys.RETAINING)), SCALARS),
        ),
    }
    turn = st.dictionaries(st.sampled_from([*agent_keys.SAY, *agent_keys.PRESS, *agent_keys.STAY]), SCALARS)
    expect = st.dictionaries(st.sampled_from(list(agent_keys.EXPECT)), SCALARS | st.lists(WORDS | turn, max_size=2))
    scenario = st.fixed_dictionaries(
        {"caller": st.lists(SCALARS | turn, max_size=2), "expect": expect}, optional={"name": SCALARS}
    )
    inner["scenarios"] = st.lists(scenario, max_size=1)
    # Of the other keys, those whose value is judged by more than its structure are left to the samples above.
    plain = ("default", "recording", "noise_reduction", "consent", "tools", "variables", "numbers")
    values = {key: SCALARS | st.lists(WORDS, max_size=2) | inner.get(key, st.nothing()) for key in (*plain, *inner)}
    return st.fixed_dictionaries({}, optional={key: values[key] for key in values if key in keys})


@given(trees(agent_keys.AGENT))
def test_reader_and_schema_agree_on_whatever_is_written(added: dict[str, Any]) -> None:
    both_accept(MINIMAL | added)


@given(st.dictionaries(st.text("abcdefgxyz_", min_size=1, max_size=12), SCALARS, min_size=1, max_size=2))
def test_unknown_keys_are_unknown_to_both(added: dict[str, Any]) -> None:
    both_accept(MINIMAL | added)


# --- `model:` --------------------------------------------------------------------------------------------------------


def test_options_of_the_model_are_read_as_they_are_given() -> None:
    value = MINIMAL | {
        "model": {"reasoning_effort": "low", "speed": 1.1, "truncation": {"retention": 0.8, "tokens": 8000}}
    }

    assert read_agent(json.dumps(value), "a.yaml").agent.model == ModelOptions(
        reasoning_effort="low", speed=1.1, truncation=Retention(0.8, 8000)
    )


def test_nothing_is_asked_of_a_model_unless_it_is_given() -> None:
    assert read_agent(json.dumps(MINIMAL), "a.yaml").agent.model == ModelOptions()


def test_a_file_tells_where_each_of_its_keys_stands() -> None:
    text = "name: a\ninstructions: b\nmodel:\n  speed: 1.1\n"

    assert read_agent(text, "a.yaml").key_at == {
        "name": "a.yaml:1:7",
        "instructions": "a.yaml:2:15",
        "model": "a.yaml:4:3",
        "model.speed": "a.yaml:4:10",
    }
