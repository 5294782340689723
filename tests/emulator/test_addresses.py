import pytest

from voice_agent.emulator.addresses import dialect_asked_for

BETA = {"OpenAI-Beta": "realtime=v1"}


@pytest.mark.parametrize(
    ("path", "headers", "openai_beta", "dialect"),
    [
        ("/v1/realtime", {}, False, "ga"),
        ("/openai/v1/realtime", {}, True, "ga"),
        ("/v1/realtime", {"OpenAI-Beta": "assistants=v2"}, False, "ga"),
        ("/v1/realtime", BETA, False, None),
        ("/v1/realtime", BETA, True, "preview"),
        ("/openai/realtime", {}, False, "preview"),
        ("/openai/realtime/", BETA, False, "preview"),
    ],
)
def test_the_form_of_the_address_decides_and_at_openai_the_header(
    path: str, headers: dict[str, str], openai_beta: bool, dialect: str | None
) -> None:
    assert dialect_asked_for(path, headers, openai_beta=openai_beta) == dialect
