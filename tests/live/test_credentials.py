import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from azure.core.exceptions import ClientAuthenticationError
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from voice_agent.call.events import ModelClosed, ModelOpened, ModelRefused
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings
from voice_agent.errors import ConfigError
from voice_agent.live.credentials import CredentialError, credential_of
from voice_agent.live.endpoints import endpoint_of
from voice_agent.live.entra import EntraId
from voice_agent.live.model_leg import ModelLeg
from voice_agent.wire.bridge import Input
from voice_agent.wire.endpoint import Endpoint

AZURE = Settings(
    realtime_provider="azure",
    azure_openai_endpoint="https://res.openai.azure.com",
    azure_openai_deployment="rt",
)
SCOPE = "https://cognitiveservices.azure.com/.default"


class Token(NamedTuple):
    token: str


class Login:
    """Gives a new token each time, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.asked: list[str] = []
        self.closed = False
        self._error = error

    async def get_token(self, *scopes: str) -> Token:
        if self._error is not None:
            raise self._error
        self.asked += scopes
        return Token(f"token-{len(self.asked)}")

    async def close(self) -> None:
        self.closed = True


async def connections(login: Login, times: int, status: int = 101) -> tuple[list[Input], list[str]]:
    """Open as many connections one after the other; what was fed, and the headers that the server saw."""
    fed: list[Input] = []
    seen: list[str] = []

    def look(connection: ServerConnection, request: Request) -> Response | None:
        seen.append(request.headers["Authorization"])
        return None if status == 101 else connection.respond(status, f"what is {seen[-1]}?")

    async def talk(connection: ServerConnection) -> None:
        await connection.close()

    async with asyncio.timeout(5), serve(talk, "127.0.0.1", 0, process_request=look) as server:
        url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
        for _ in range(times):
            await ModelLeg(Endpoint(url, {}, "azure", entra=True), EntraId(login, SCOPE)).run(fed.append)
    return fed, seen


def test_each_connection_has_a_fresh_token() -> None:
    login = Login()
    fed, seen = asyncio.run(connections(login, 2))

    assert seen == ["Bearer token-1", "Bearer token-2"]
    assert login.asked == [SCOPE, SCOPE]
    assert [type(event) for event in fed] == [ModelOpened, ModelClosed] * 2


def test_a_token_that_is_refused_is_explained_and_not_shown() -> None:
    fed, _ = asyncio.run(connections(Login(), 1, status=401))

    assert isinstance(fed[0], ModelRefused)
    assert "the Entra ID token was refused" in fed[0].detail
    assert "token-1" not in fed[0].detail


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            ClientAuthenticationError("nobody is logged in\nAttempted:\n\tEnvironment"),
            "(nobody is logged in Attempted: Env",
        ),
        (OSError("no route"), "(no route)"),
        (ValueError(), "(ValueError)"),
    ],
)
def test_without_a_login_the_model_is_refused_with_one_line(error: Exception, told: str) -> None:
    fed, seen = asyncio.run(connections(Login(error), 1))

    assert seen == []
    (refused,) = fed
    assert isinstance(refused, ModelRefused)
    assert refused.status is None
    assert refused.detail.startswith("no Entra ID token: log in (az login)")
    assert told in refused.detail
    assert "\n" not in refused.detail


def test_the_library_s_story_is_cut_to_a_line() -> None:
    async def main() -> str:
        with pytest.raises(CredentialError) as raised:
            await EntraId(Login(ValueError("x" * 5000)), SCOPE).headers()
        return str(raised.value)

    assert len(asyncio.run(main())) < 400


def test_closing_lets_go_of_the_login() -> None:
    login = Login()
    asyncio.run(EntraId(login, SCOPE).close())

    assert login.closed


def test_a_key_needs_no_login() -> None:
    for settings in (
        Settings(),
        Settings(
            realtime_provider="azure",
            azure_openai_endpoint="https://res.openai.azure.com",
            azure_openai_deployment="rt",
            azure_openai_api_key=Secret("k"),
        ),
    ):
        assert credential_of(settings, endpoint_of(settings)) is None


def test_this_machine_s_login_is_the_credential_of_an_azure_without_key() -> None:
    async def main() -> None:
        credential = credential_of(AZURE, endpoint_of(AZURE))
        assert isinstance(credential, EntraId)
        await credential.close()

    asyncio.run(main())


@contextmanager
def missing(*names: str) -> Iterator[None]:
    """Let modules be as if they were not installed: Python's own way is `None` in `sys.modules`."""
    kept = {name: sys.modules.pop(name, None) for name in names}
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type] # the stubs do not know of it
    try:
        yield
    finally:
        for name, module in kept.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module


def test_a_missing_package_is_named_with_the_command_that_brings_it() -> None:
    entra = sys.modules.pop("voice_agent.live.entra", None)
    try:
        with missing("azure.identity.aio"), pytest.raises(ConfigError) as raised:
            credential_of(AZURE, endpoint_of(AZURE))
    finally:
        if entra is not None:
            sys.modules["voice_agent.live.entra"] = entra

    assert str(raised.value) == (
        "AZURE_OPENAI_API_KEY: must be set, or Entra ID needs a package that is missing (azure.identity.aio): "
        'pip install "voice-agent[azure]"'
    )
