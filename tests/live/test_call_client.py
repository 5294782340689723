import asyncio
import json
import logging

import pytest

from tests.support.web import http_server
from voice_agent.agent import Agent
from voice_agent.config.references import NOTHING
from voice_agent.errors import ConfigError, PeerError
from voice_agent.live.call_client import CallClient
from voice_agent.live.credentials import Credential, CredentialError
from voice_agent.live.mcp_secrets import McpSecrets
from voice_agent.wire.endpoint import endpoint

NO_SECRETS = McpSecrets(Agent(name="a", instructions="x"), NOTHING)


class NoLogin:
    """A credential that cannot be had."""

    async def headers(self) -> dict[str, str]:
        raise CredentialError("log in first")

    async def close(self) -> None:
        pass


class Login:
    """One that has been had."""

    async def headers(self) -> dict[str, str]:
        return {"Authorization": "Bearer entra-1"}

    async def close(self) -> None:
        pass


def refusal(status: int, body: str, credential: Credential | None = None, header: str = "") -> str:
    """What is said of an answer to minting."""

    async def main() -> str:
        async with asyncio.timeout(30), http_server(status, body, header) as url:
            client = CallClient(endpoint("openai", key="sk-1", base_url=f"{url}/v1"), credential)
            with pytest.raises(PeerError) as raised:
                await client.mint({"type": "realtime"}, 60, NO_SECRETS)
            return str(raised.value)

    return asyncio.run(main())


def test_a_secret_is_read() -> None:
    async def main() -> None:
        body = json.dumps({"value": "ek_1", "expires_at": 5, "session": {}})
        async with asyncio.timeout(30), http_server(200, body) as url:
            client = CallClient(endpoint("openai", key="sk-1", base_url=f"{url}/v1"))
            minted = await client.mint({"type": "realtime"}, 60, NO_SECRETS)

            assert (minted.value, minted.expires_at) == ("ek_1", 5)

    asyncio.run(main())


def test_a_refusal_says_what_to_check_without_the_key() -> None:
    said = refusal(401, '{"error": {"message": "wrong key sk-1"}}')

    assert "OPENAI_API_KEY" in said
    assert "sk-1" not in said


def test_a_refusal_does_not_hold_what_a_login_gave_either() -> None:
    assert "entra-1" not in refusal(401, '{"error": {"message": "wrong token entra-1"}}', Login())


def test_an_answer_that_holds_no_secret_is_the_peers_fault() -> None:
    assert "cannot be read" in refusal(200, "{}")


def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    assert "1048576 bytes" in refusal(200, "0" * (1024 * 1024 + 1))


@pytest.mark.parametrize("charset", ["idna", "punycode", "klingon"])
def test_an_answer_is_utf_8_whatever_its_charset_is_said_to_be(charset: str) -> None:
    assert "OPENAI_API_KEY" in refusal(401, "wrong key", header=f"Content-Type: text/plain; charset={charset}")


def test_nobody_there_is_one_line() -> None:
    async def main() -> None:
        client = CallClient(endpoint("emulator", base_url="ws://127.0.0.1:1"))
        with pytest.raises(PeerError, match=r"cannot reach ws://127\.0\.0\.1:1"):
            await client.mint({}, 60, NO_SECRETS)

    asyncio.run(main())


def test_a_login_that_fails_is_told() -> None:
    async def main() -> None:
        client = CallClient(endpoint("emulator", base_url="ws://127.0.0.1:1"), NoLogin())
        with pytest.raises(PeerError, match="log in first"):
            await client.mint({}, 60, NO_SECRETS)

    asyncio.run(main())


def test_hanging_up_what_is_over_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with asyncio.timeout(30), http_server(404, "") as url:
            client = CallClient(endpoint("openai", key="sk-1", base_url=f"{url}/v1"))
            with caplog.at_level(logging.INFO):
                await client.hang_up("rtc_1")

            assert "hanging up rtc_1" in caplog.text

    asyncio.run(main())


def test_the_preview_has_no_client() -> None:
    where = endpoint("azure", url="wss://res.openai.azure.com/openai/realtime?api-version=1&deployment=d", key="k")

    with pytest.raises(ConfigError, match="the preview has no calls"):
        CallClient(where)
