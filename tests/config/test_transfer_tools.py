from textwrap import indent

import pytest

from tests.support.agent_files import agent_of, faults_of
from voice_agent.agent import Tool, Transfer
from voice_agent.config.sms_tools import mute

DESK, NIGHT = "+14255550101", "sip:night@pbx.example.com:5061;transport=tls?x-line=2"


NEITHER = 'is neither a phone number nor a SIP address; write it like "+14255550101" or "sip:desk@pbx.example.com"'


def written(lines: str) -> str:
    return "tools:\n- transfer:\n" + indent(lines, "    ")


def test_whom_a_caller_can_be_connected_with_is_read_as_it_is_written() -> None:
    tool = agent_of(
        written(
            f'name: connect\ndescription: To a person.\nto: {{desk: "{DESK}", night: "{NIGHT}"}}\n'
            'from: "+14255550100"\nseconds: 15\n'
        )
    ).tools[0]

    assert tool == Tool(
        name="connect",
        description="To a person.",
        parameters={
            "type": "object",
            "properties": {"to": {"type": "string", "description": "Whom with.", "enum": ["desk", "night"]}},
            "required": ["to"],
            "additionalProperties": False,
        },
        kind="transfer",
        transfer=Transfer(to={"desk": DESK, "night": NIGHT}, seconds=15, caller_id="+14255550100"),
    )


def test_a_warm_transfer_asks_for_a_summary() -> None:
    tool = agent_of(written(f'to: {{desk: "{DESK}"}}\nwarm: true\nannouncement: "{{{{ summary }}}} Press 1."\n')).tools[
        0
    ]

    assert tool.transfer == Transfer(to={"desk": DESK}, warm=True, announcement="{{ summary }} Press 1.")
    assert tool.parameters["required"] == ["to", "summary"]
    assert "holds meanwhile" in tool.description


def test_a_warm_transfer_without_credentials_is_told() -> None:
    agent = agent_of(written(f'to: {{desk: "{DESK}"}}\nwarm: true\n'))

    assert list(mute([agent], has_rest=True)) == []
    assert list(mute([agent], has_rest=False)) == [
        "reception.transfer calls nobody: TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN are not set"
    ]


def test_a_name_and_a_number_are_enough() -> None:
    tool = agent_of(written(f'to: {{desk: "{DESK}"}}\n')).tools[0]

    assert (tool.name, tool.transfer) == ("transfer", Transfer(to={"desk": DESK}))
    assert "First tell the caller" in tool.description


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        ("to: {}\n", '"to" is empty; write e.g. to: {front_desk: "+14255550101"}'),
        ("seconds: 20\n", 'key "to" is missing; write e.g. "to: {front_desk: "+14255550101"}"'),
        (f'to: "{DESK}"\n', '"to" cannot be "+14255550101"; give each number a name: to: {front_desk: "+14255550101"}'),
        (f'to: {{front desk: "{DESK}"}}\n', '"front desk" is no name for somebody; use letters, digits and "_"'),
        (
            "to: {desk: 425-555-0101}\n",
            f'"425-555-0101" {NEITHER}',
        ),
        (
            "to: {desk: sip:pbx.example.com}\n",
            f'"sip:pbx.example.com" {NEITHER}',
        ),
        (
            f'to: {{desk: "{DESK}"}}\nfrom: desk\n',
            '"desk" is no phone number; write it like "+14255550100"',
        ),
        (f'to: {{desk: "{DESK}"}}\nseconds: 2\n', '"seconds" must be a whole number from 5 to 120'),
        (f'to: {{desk: "{DESK}"}}\nwarmth: 1\n', 'unknown key "warmth"'),
        (f'to: {{desk: "{DESK}"}}\nannouncement: "{{{{ summary }}}}"\n', '"announcement" is for "warm: true"'),
        (f'to: {{desk: "{DESK}"}}\nwarm: true\nannouncement: Hi\n', '"announcement" must hold {{ summary }}'),
    ],
)
def test_a_fault_is_told_with_its_remedy(lines: str, fault: str) -> None:
    (told,) = faults_of(written(lines))

    assert fault in told
