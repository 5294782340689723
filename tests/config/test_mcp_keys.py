"""MCP servers in an agent's file: what is read, and what is said about what is wrong."""

from textwrap import indent
from typing import Any

import pytest

from tests.config.test_agent_keys import MINIMAL, both_accept
from tests.support.agent_files import agent_of, faults_of
from voice_agent.agent import McpServer
from voice_agent.config.tool_schema import MCP

WHOLE = """\
tools:
  - hang_up
  - mcp:
      server_label: calendar
      server_url: https://mcp.example.com/${CALENDAR_PATH}/mcp
      authorization: ${CALENDAR_TOKEN}
      headers:
        X-Api-Key: ${CALENDAR_KEY}
        X-Branch: downtown
      server_description: Appointments.
      allowed_tools: [free_slots, book]
      require_approval: always
      approve: [free_slots]
"""


def server(*lines: str, url: str = "https://mcp.example.com/mcp") -> str:
    """Write the tools with one server that has some further keys."""
    keys = ["server_label: calendar", f"server_url: {url}", *lines]
    return "tools:\n  - mcp:\n" + indent("\n".join(keys), " " * 6) + "\n"


def faults(*lines: str, **given: str) -> list[str]:
    return [line.removeprefix("a.yaml:") for line in faults_of(server(*lines, **given))]


def test_a_server_is_read_as_the_api_names_it_and_keeps_its_references() -> None:
    agent = agent_of(WHOLE)

    assert [tool.name for tool in agent.tools] == ["hang_up"]
    assert agent.mcp == (
        McpServer(
            server_label="calendar",
            server_url="https://mcp.example.com/${CALENDAR_PATH}/mcp",
            authorization="${CALENDAR_TOKEN}",
            headers={"X-Api-Key": "${CALENDAR_KEY}", "X-Branch": "downtown"},
            server_description="Appointments.",
            allowed_tools=("free_slots", "book"),
            require_approval="always",
            approve=("free_slots",),
        ),
    )


def test_a_label_and_an_address_are_enough() -> None:
    (read,) = agent_of(server()).mcp

    assert read == McpServer(server_label="calendar", server_url="https://mcp.example.com/mcp")
    assert read.approves("anything")


@pytest.mark.parametrize(
    "url",
    ["${CALENDAR_URL}", "${CALENDAR_URL}/mcp", "http://127.0.0.1:8000/mcp", "http://localhost:8000/mcp"],
)
def test_an_address_may_be_a_variable_or_lead_to_this_machine(url: str) -> None:
    assert agent_of(server(url=url)).mcp[0].server_url == url


@pytest.mark.parametrize(
    ("lines", "fault"),
    [
        (["server_lable: x"], '7:7: unknown key "server_lable"; write "server_label"'),
        (["connector_id: connector_gmail"], f'7:7: unknown key "connector_id"; known are {", ".join(MCP)}'),
        (["require_approval: ask"], '7:25: "require_approval" cannot be "ask"; known are never, always'),
        (["require_approval: always"], '5:7: key "approve" is missing; write e.g. "approve: all"'),
        (["approve: all"],
         '7:16: "approve" is for calls that we are asked about; add "require_approval: always"'),
        (["require_approval: always", "approve: some"],
         '8:16: "approve" cannot be "some"; write "all" or a list of tools'),
        (["require_approval: always", "approve: [bok]", "allowed_tools: [book]"],
         '8:16: "bok" is not among "allowed_tools"; write "book"'),
        (["allowed_tools: []"], '7:22: "allowed_tools" is empty; leave the server out, or name what it is for'),
        (["allowed_tools: [book, book]"], '7:29: "book" is there twice; keep one'),
        (["allowed_tools: ['two words']"], '7:23: "two words" is no name of a tool'),
        (["headers: X"], '7:16: "headers" must be a mapping, not "X"; write e.g. {X-Api-Key: "${CALENDAR_KEY}"}'),
        (["headers: {'X Y': z}"], '7:24: "X Y" is no name of a header; use letters, digits and "-"'),
        (["headers: {X: 'Zürich'}"], '7:20: header "X" holds a line break or what is not ASCII; remove it'),
    ],
)  # fmt: skip
def test_a_fault_is_told_with_its_place_and_its_remedy(lines: list[str], fault: str) -> None:
    assert faults(*lines) == [fault]


@pytest.mark.parametrize("url", ["mcp.example.com", "http://mcp.example.com/mcp", "https://me:pw@mcp.example.com/mcp"])
def test_an_address_that_could_not_keep_a_secret_is_refused(url: str) -> None:
    (fault,) = faults(url=url)

    assert fault.startswith('6:19: "server_url" must begin with https:// and hold no user')


@pytest.mark.parametrize("line", ["authorization: s3cret-s3cret", "headers: {X-Api-Key: s3cret-s3cret}"])
def test_a_secret_in_the_file_is_refused_and_not_repeated(line: str) -> None:
    (fault,) = faults(line)

    assert "does not belong into this file" in fault
    assert "s3cret" not in fault


def test_two_servers_need_two_labels() -> None:
    twice = server() + server().removeprefix("tools:\n")

    assert faults_of(twice) == ['a.yaml:7:5: an MCP server "calendar" is there already; give each a label of its own']
    assert faults_of("tools:\n  - mcp: {}\n") == [
        'a.yaml:4:10: key "server_label" is missing; write e.g. "server_label: calendar"',
        'a.yaml:4:10: key "server_url" is missing; write e.g. "server_url: https://mcp.example.com/mcp"',
    ]
    assert faults_of("tools:\n  - mcp: {server_label: 1st, server_url: https://a.example}\n") == [
        'a.yaml:4:25: "1st" is no label; begin with a letter, and use at most 64 letters, digits, "-" and "_"'
    ]


@pytest.mark.parametrize(
    ("added", "good"),
    [
        ({}, True),
        ({"server_label": "two words"}, False),
        ({"server_url": "mcp.example.com"}, False),
        ({"server_url": "http://127.0.0.1:1/mcp"}, True),
        ({"server_url": "http://127.0.0.1.example.com/mcp"}, False),
        ({"server_url": "${URL}/mcp"}, True),
        ({"authorization": "${TOKEN}"}, True),
        ({"authorization": "Bearer ${TOKEN}"}, False),
        ({"headers": {"Authorization": "Basic ${TOKEN}", "X-Branch": 7}}, True),
        ({"headers": {"X-Api-Key": "abc"}}, False),
        ({"headers": {"X-Branch": "a\nb"}}, False),
        ({"headers": {"X:": "a"}}, False),
        ({"allowed_tools": ["book"]}, True),
        ({"allowed_tools": []}, False),
        ({"allowed_tools": ["book", "book"]}, False),
        ({"require_approval": "never"}, True),
        ({"require_approval": "always"}, False),
        ({"require_approval": "always", "approve": "all"}, True),
        ({"require_approval": "always", "approve": ["book"]}, True),
        ({"require_approval": "never", "approve": "all"}, False),
        ({"approve": "all"}, False),
        ({"tunnel_id": "t"}, False),
    ],
)
def test_the_schema_and_the_reader_agree(added: dict[str, Any], good: bool) -> None:
    entry = {"server_label": "calendar", "server_url": "https://mcp.example.com/mcp"} | added

    assert both_accept({**MINIMAL, "tools": [{"mcp": entry}]}) is good
