"""Commands that are made from more than what they say."""

from tests.support.script import an_agent
from voice_agent.agent import McpServer, ModelOptions, ServerVad, Transcription
from voice_agent.call.commands import ConfigureSession

AGENT = an_agent(
    voice="cedar",
    turn_detection=ServerVad(threshold=0.8),
    transcription=Transcription(language="nl"),
    noise_reduction="far_field",
    model=ModelOptions(speed=1.1),
    mcp=(McpServer(server_label="calendar", server_url="https://mcp.example.com/mcp"),),
)


def test_a_session_is_set_up_as_the_agents_file_says_with_the_voice_that_it_has() -> None:
    own = ConfigureSession.for_agent(AGENT, interrupt_response=True, create_response=False)
    other = ConfigureSession.for_agent(
        AGENT, interrupt_response=False, create_response=True, voice="ash", event_id="handoff-1"
    )

    assert own == ConfigureSession(
        instructions=AGENT.instructions,
        voice="cedar",
        tools=AGENT.tools,
        turn_detection=AGENT.turn_detection,
        interrupt_response=True,
        create_response=False,
        transcription=AGENT.transcription,
        noise_reduction="far_field",
        model=AGENT.model,
        mcp=AGENT.mcp,
        event_id="",
    )
    assert (other.interrupt_response, other.create_response) == (False, True)
    assert (other.voice, other.event_id) == ("ash", "handoff-1")
