import json
from textwrap import indent
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.agent_files import agent_of, faults_of
from voice_agent.agent import HttpRequest, Tool
from voice_agent.config.render import render
from voice_agent.live.clock import utc_now

BEGIN = "name: find\ndescription: Find times.\n"
URL = "url: https://api.example.com/slots\n"


def written(lines: str) -> str:
    return "variables: {branch: north}\ntools:\n- http:\n" + indent(lines, "    ")


def tool_of(lines: str) -> Tool:
    return agent_of(written(BEGIN + lines)).tools[0]


def request_of(lines: str) -> HttpRequest:
    request = tool_of(lines).http
    assert request is not None
    return request


def faults(lines: str, begin: str = BEGIN) -> list[str]:
    return [fault.partition(": ")[2] for fault in faults_of(written(begin + lines))]


def test_a_tool_is_read_as_it_is_written() -> None:
    tool = tool_of(
        """\
        method: POST
        url: https://api.example.com/{{ branch }}/slots?limit=3
        parameters:
          day: {type: string, description: The day., enum: [Monday, Tuesday]}
          minutes: {type: integer, enum: [15, 30, 15], optional: true}
          names: {type: array, items: {type: string}}
        headers: {Authorization: "Bearer ${CALENDAR_KEY}", X-Branch: north}
        body: {day: "{{ day }}", for: "{{ names }}", length: "{{ minutes }}", phone: "tel:{{ caller }}", free: true}
        timeout: 5
        take: [slots, branch.name]
        allow_private: yes
        """.replace("        ", "")
    )

    assert tool == Tool(
        name="find",
        description="Find times.",
        parameters={
            "type": "object",
            "properties": {
                "day": {"type": "string", "description": "The day.", "enum": ["Monday", "Tuesday"]},
                "minutes": {"type": "integer", "enum": [15, 30]},
                "names": {"type": "array", "items": {"type": "string"}},
            },
            "additionalProperties": False,
            "required": ["day", "names"],
        },
        kind="http",
        http=HttpRequest(
            method="POST",
            url="https://api.example.com/{{ branch }}/slots?limit=3",
            headers={"Authorization": "Bearer ${CALENDAR_KEY}", "X-Branch": "north"},
            body={
                "day": "{{ day }}",
                "for": "{{ names }}",
                "length": "{{ minutes }}",
                "phone": "tel:{{ caller }}",
                "free": True,
            },
            seconds=5,
            take=("slots", "branch.name"),
            allow_private=True,
        ),
    )


def test_a_tool_needs_little() -> None:
    tool = tool_of(URL)

    assert tool.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert tool.http == HttpRequest(method="GET", url="https://api.example.com/slots")


def test_one_path_may_stand_alone() -> None:
    assert request_of(URL + "take: slots.0.time").take == ("slots.0.time",)


def test_a_body_is_read_as_json_is() -> None:
    body = """\
        method: PUT
        body: {a: true, b: 12, c: -1.5, d: null, e: "12", f: yes, g: 010, h: 12:30, i: [1, [x]], j: {}, k: 1e3}
        """.replace("        ", "")

    assert request_of(URL + body).body == {
        "a": True,
        "b": 12,
        "c": -1.5,
        "d": None,
        "e": "12",
        "f": "yes",
        "g": "010",
        "h": "12:30",
        "i": [1, ["x"]],
        "j": {},
        "k": "1e3",
    }


def test_a_call_gives_its_variables_to_the_templates_that_name_them() -> None:
    lines = (
        "method: POST\nurl: https://a.example/{{ branch }}\nparameters: {now: {type: string}}\n"
        'body: ["{{ caller }}", "{{ now }}"]\n'
    )
    rendered = render(agent_of(written(BEGIN + lines)), "+14255550123", "+14255550100", utc_now())

    assert rendered.tools[0].http is not None
    assert rendered.tools[0].http.values == {"branch": "north", "caller": "+14255550123"}


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("", 'key "url" is missing; write e.g. "url: https://api.example.com/slots"'),
        ("url: slots", '"slots" is no address; write e.g. https://api.example.com/slots'),
        (
            "url: http://api.example.com",
            'must begin with https://, for what callers say is sent there; http:// is for "allow_private: true" only',
        ),
        (
            "url: https://10.0.0.5/x",
            '10.0.0.5 is a private address; "allow_private: true" would allow it',
        ),
        (
            "url: https://[::1]/x",
            '::1 is a private address; "allow_private: true" would allow it',
        ),
        (
            "url: https://localhost/x",
            'localhost is this machine; "allow_private: true" would allow it',
        ),
        (
            "url: http://169.254.169.254/\nallow_private: true",
            "169.254.169.254 is an address that no tool may reach",
        ),
        (
            "url: https://{{ branch }}.example.com/",
            "the host is fixed, without user and placeholder; secrets stand in headers",
        ),
        (
            "url: https://me:word@example.com/",
            "the host is fixed, without user and placeholder; secrets stand in headers",
        ),
        (
            'url: "https://example.com/a b"',
            "the url holds a space, a # or another character that none may hold; write it percent-encoded",
        ),
        (
            "url: https://example.com/é",
            "the url holds a space, a # or another character that none may hold; write it percent-encoded",
        ),
        (
            "url: https://example.com/?key=${KEY}",
            'secrets do not stand in the url, which logs show; write e.g. headers: {Authorization: "Bearer ${KEY}"}',
        ),
        (
            "url: https://example.com/{{ brnch }}",
            '"{{ brnch }}" in "url" is neither a parameter nor a variable; write "branch"',
        ),
        (
            "url: https://example.com/{{ a | b }}",
            '"url" holds braces that are no placeholder; write "{{ name }}"',
        ),
        (
            "url: https://example.com/{{ a }}\nparameters: {a: {type: string, optional: true}}",
            '"a" may be left out, so it cannot stand within a text of "url"; take it out there, and it is added',
        ),
        (
            "url: https://example.com/{{ a }}\nparameters: {a: {type: array}}",
            '"a" is a list, which cannot stand within a text of "url"; take it out there, and it is added to the query',
        ),
        (
            URL + "method: POST\nbody: {x: 'no {{ a }}'}\nparameters: {a: {type: string, optional: true}}",
            '"a" may be left out, so it cannot stand within a text of "body"; let it be the whole text: "{{ name }}"',
        ),
        (
            URL + "method: POST\nbody: {}\nparameters: {a: {type: string}}",
            'parameter "a" is sent nowhere; put "{{ a }}" into the body',
        ),
        (
            URL + "method: POST\nbody: {a: {'x{{ branch }}': 1}}",
            '"x{{ branch }}" is a key of the body; placeholders stand in values',
        ),
        (URL + "body: {}", 'GET has no body; write "method: POST", PUT or PATCH'),
        (URL + "method: get", '"method" cannot be "get"; write "GET"'),
        (
            URL + "parameters: {branch: {type: string}}",
            '"branch" is a variable of the call already; give the parameter',
        ),
        (URL + "parameters: {a b: {type: string}}", '"a b" is no name of a parameter; use letters, digits and "_"'),
        (URL + "parameters: {a: string}", '"a" must be a mapping, not "string"; write e.g. {type: string}'),
        (URL + "parameters: {a: {}}", 'key "type" is missing; write e.g. "type: string"'),
        (URL + "parameters: {a: {type: text}}", '"type" cannot be "text"; known are string, integer'),
        (URL + "parameters: {a: {type: string, items: {}}}", '"items" is for "type: array"'),
        (URL + "parameters: {a: {type: number, enum: [1]}}", '"enum" is for texts and whole numbers'),
        (URL + "parameters: {a: {type: string, enum: []}}", '"enum" is empty; name the values that are allowed'),
        (URL + "parameters: {a: {type: integer, enum: [one]}}", 'a value must be a whole number, not "one"'),
        (URL + "headers: {Host: a}", 'header "Host" is set by itself; leave it out'),
        (
            URL + "headers: {X: '{{ branch }}'}",
            'header "X" holds a placeholder; arguments stand in the url and the body',
        ),
        (URL + "headers: {'X Y': a}", '"X Y" is no name of a header; use letters, digits and "-"'),
        (URL + "headers: {X: é}", 'header "X" holds a line break or what is not ASCII; remove it'),
        (URL + "headers: {X-Api-Key: abc}", '"X-Api-Key" holds a secret, which does not belong into this file; write'),
        (URL + "take: slots..time", '"slots..time" is no path; write e.g. "slots" or "slots.0.time"'),
        (URL + "take: []", '"take" is empty; leave it out for the whole answer'),
        (
            URL + "timeout: 21",
            '"timeout" of find is longer than "tool_seconds" under "limits" (20); raise that, too',
        ),
        (URL + "timeout: 0", '"timeout" must be a whole number from 1 to 120, not "0"'),
        (URL + "retries: 3", 'unknown key "retries"; known are name, description, method, url,'),
    ],
)
def test_a_fault_is_one_line_with_its_remedy(lines: str, fault: str) -> None:
    assert [line[: len(fault)] for line in faults(lines)] == [fault]


@pytest.mark.parametrize(
    ("begin", "fault"),
    [
        ("description: x\n", 'key "name" is missing; write e.g. "name: find_slot"'),
        ("name: find slot\ndescription: x\n", '"find slot" is no name of a tool; use at most 64'),
        ("name: find\n", 'key "description" is missing; write e.g.'),
        ("name: find\ndescription: ''\n", '"description" is empty; say what the tool is for'),
    ],
)
def test_a_model_must_know_what_a_tool_is_for(begin: str, fault: str) -> None:
    assert [line[: len(fault)] for line in faults(URL, begin)] == [fault]


def test_a_secret_is_not_repeated_in_its_fault() -> None:
    assert "abcdef" not in "".join(faults(URL + "headers: {Authorization: Bearer abcdef}"))


SCALARS = st.sampled_from(
    ["x", "{{ a }}", "{{", "https://a.example/{{ a }}", "${KEY}", "true", "12", "POST", "array", ""]
)
KEYS = [
    "method",
    "url",
    "parameters",
    "headers",
    "body",
    "timeout",
    "take",
    "allow_private",
    "type",
    "enum",
    "a",
    "items",
]
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
)


@given(st.dictionaries(st.sampled_from(KEYS), TREES))
def test_whatever_is_written_is_a_tool_or_a_list_of_faults(tree: dict[str, Any]) -> None:
    lines = "\n".join(f"{key}: {json.dumps(value)}" for key, value in tree.items())

    assert all(fault.startswith("a.yaml:") for fault in faults_of(written(f"{BEGIN}{lines}\n")))
