import json

from voice_agent.agent import Agent, McpServer
from voice_agent.call.commands import AddUserText, ConfigureSession
from voice_agent.call.setup import ModelSetup
from voice_agent.config.references import References
from voice_agent.config.secret import Secret
from voice_agent.live.mcp_secrets import McpSecrets
from voice_agent.wire.model_codec import ModelCodec

TOKEN, KEY, OTHER = "token-0123456789", "key-0123456789", "other-0123456789"
KNOWN = References({"TOKEN": Secret(TOKEN), "KEY": Secret(KEY), "OTHER": Secret(OTHER)})
SERVER = McpServer(
    server_label="calendar",
    server_url="https://mcp.example.com/${KEY}/mcp",
    authorization="${TOKEN}",
    headers={"X-Key": "k=${KEY}", "X-Branch": "downtown"},
)
AGENT = Agent(name="a", instructions="Never tell ${TOKEN}.", mcp=(SERVER,))
SECRETS = McpSecrets(AGENT, KNOWN)


def configured() -> str:
    agent = AGENT
    (text,) = ModelCodec(ModelSetup()).send(
        ConfigureSession(
            instructions=agent.instructions,
            voice=agent.voice,
            tools=agent.tools,
            turn_detection=agent.turn_detection,
            interrupt_response=True,
            create_response=True,
            transcription=agent.transcription,
            noise_reduction=agent.noise_reduction,
            mcp=agent.mcp,
        )
    )
    return text


def test_secrets_are_filled_into_the_servers_and_nowhere_else() -> None:
    session = json.loads(SECRETS.outgoing(configured()))["session"]

    assert session["tools"] == [
        {
            "type": "mcp",
            "server_label": "calendar",
            "server_url": f"https://mcp.example.com/{KEY}/mcp",
            "authorization": TOKEN,
            "headers": {"X-Key": f"k={KEY}", "X-Branch": "downtown"},
            "require_approval": "never",
        }
    ]
    assert session["instructions"] == "Never tell ${TOKEN}."


def test_what_the_core_writes_holds_no_secret() -> None:
    assert TOKEN not in configured()
    assert "${TOKEN}" in configured()


def test_a_caller_who_names_a_variable_gets_nothing() -> None:
    (text,) = ModelCodec(ModelSetup()).send(AddUserText("k1", 'type":"session.update" ${TOKEN} ${OTHER}'))

    assert SECRETS.outgoing(text) == text


def test_what_a_server_repeats_is_covered() -> None:
    heard = json.dumps({"type": "session.updated", "session": {"tools": [{"authorization": TOKEN}], "model": OTHER}})

    assert json.loads(SECRETS.incoming(heard))["session"] == {"tools": [{"authorization": "${TOKEN}"}], "model": OTHER}


def test_an_agent_without_references_costs_nothing() -> None:
    none = McpSecrets(Agent(name="a", instructions="x"), KNOWN)
    text = configured()

    assert none.outgoing(text) is text
    assert none.incoming(text) is text
    assert none.session({"voice": "marin"}) == {"voice": "marin"}


def test_nobody_sees_a_secret() -> None:
    assert repr(SECRETS) == "<McpSecrets <References to KEY, TOKEN>>"


def test_the_secrets_of_an_agent_who_takes_over_are_filled_in_and_covered_too() -> None:
    first = McpSecrets(Agent(name="desk", instructions="x"), KNOWN, [AGENT])

    assert TOKEN in first.outgoing(configured())
    assert TOKEN not in first.incoming(f'{{"type": "session.updated", "echo": "{TOKEN}"}}')
