from textwrap import indent
from typing import Any

import pytest

from tests.support.agent_files import agent_of, faults_of
from voice_agent.agent import TextMessage, Tool
from voice_agent.config.render import render
from voice_agent.config.sms_tools import mute
from voice_agent.live.clock import utc_now

DESK, KITCHEN = "+14255550101", "+14255550102"


def written(lines: str) -> str:
    return "variables: {company: Alder}\ntools:\n- send_sms:\n" + indent(lines, "    ")


def tool_of(lines: str) -> Tool:
    return agent_of(written(lines)).tools[0]


def properties_of(lines: str) -> dict[str, Any]:
    properties = tool_of(lines).parameters["properties"]
    assert isinstance(properties, dict)
    return properties


@pytest.mark.parametrize("added", ["[send_sms]", "[{send_sms: {}}]", "[{send_sms: {to: caller}}]"])
def test_without_more_it_is_for_the_caller_in_the_models_words(added: str) -> None:
    tool = agent_of(f"tools: {added}\n").tools[0]

    assert (tool.name, tool.kind, tool.sms) == ("send_sms", "send_sms", TextMessage())
    assert list(tool.parameters["properties"]) == tool.parameters["required"] == ["text"]
    assert "caller" in tool.description


def test_a_tool_is_read_as_it_is_written() -> None:
    tool = tool_of(
        f'name: text_desk\ndescription: Tells the desk.\nfrom: "{KITCHEN}"\nto: {{desk: "{DESK}"}}\n'
        'text: "{{ caller }} asks for {{ who }} at {{ company }}."\nparameters: {who: {type: string}}\n'
        'countries: ["+1", "+44"]\n'
    )

    assert tool == Tool(
        name="text_desk",
        description="Tells the desk.",
        parameters={
            "type": "object",
            "properties": {"who": {"type": "string"}},
            "additionalProperties": False,
            "required": ["who"],
        },
        kind="send_sms",
        sms=TextMessage(
            sender=KITCHEN,
            to={"desk": DESK},
            text="{{ caller }} asks for {{ who }} at {{ company }}.",
            countries=("+1", "+44"),
        ),
    )


def test_of_several_recipients_the_model_chooses_one_and_of_one_none() -> None:
    named = properties_of(f'to: {{desk: "{DESK}", kitchen: "{KITCHEN}"}}\n')
    listed = properties_of(f'to: ["{DESK}", "{KITCHEN}"]\n')

    assert named["to"]["enum"] == ["desk", "kitchen"]
    assert listed["to"]["enum"] == [DESK, KITCHEN]
    assert "to" not in properties_of(f'to: ["{DESK}"]\n')
    assert "to" not in properties_of("to: caller\n")


def test_a_call_gives_the_caller_and_what_the_text_names() -> None:
    agent = agent_of(written('text: "{{ company }}"\n'))
    sms = render(agent, "+14255550123", "+14255550100", utc_now()).tools[0].sms

    assert sms is not None
    assert sms.values == {"caller": "+14255550123", "called": "+14255550100", "company": "Alder"}


def test_a_tool_that_cannot_send_is_named() -> None:
    agent = agent_of(written("name: text_desk\n"))

    assert list(mute([agent, agent_of()], has_rest=True)) == []
    assert list(mute([agent, agent_of()], has_rest=False)) == [
        "reception.text_desk sends nothing: TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set"
    ]


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("from: desk\n", '"desk" is no phone number; write it like "+14255550100"'),
        ("to: desk\n", '"to" cannot be "desk"; write "caller", or [ "+14255550101" ]'),
        ("to: []\n", '"to" is empty; write "caller" or a number'),
        ("to: ['911']\n", '"911" is no phone number; write it like "+14255550100"'),
        (f"to: {{front desk: '{DESK}'}}\n", '"front desk" is no name for a number; use letters, digits and "_"'),
        ("text: ''\n", '"text" is empty; leave it out where the model writes it'),
        (f"text: {'x' * 1601}\n", '"text" is longer than the 1600 characters of a message'),
        ("text: '{{ who }}'\n", '"{{ who }}" in "text" is neither a parameter nor a variable; known are'),
        ("parameters: {who: {type: string}}\n", '"parameters" are for a "text" that holds them; write one'),
        (
            "text: Hi\nparameters: {who: {type: string}}\n",
            'parameter "who" is sent nowhere; put "{{ who }}" into the text',
        ),
        (
            "text: '{{ who }}'\nparameters: {who: {type: string, optional: true}}\n",
            '"who" may be left out, so it cannot stand within a text of "text"; take it out there',
        ),
        ("text: '{{ to }}'\nparameters: {to: {type: string}}\n", '"to" is a variable of the call already; give'),
        ("countries: [US]\n", '"US" is no beginning of a number; write e.g. "+1" or "+44"'),
        ("countries: []\n", '"countries" is empty; leave it out where every number will do'),
        ("name: send sms\n", '"send sms" is no name of a tool; use at most 64'),
        ("number: 1\n", 'unknown key "number"; '),
    ],
)
def test_a_fault_is_one_line_with_its_remedy(lines: str, fault: str) -> None:
    found = [line.partition(": ")[2] for line in faults_of(written(lines))]

    assert [line[: len(fault)] for line in found] == [fault]
