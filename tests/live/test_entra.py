import asyncio
from typing import NamedTuple

import pytest
from azure.core.exceptions import ClientAuthenticationError
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from voice_agent.call.events import ModelClosed, ModelOpened, ModelRefused
from voice_agent.live.credentials import CredentialError
from voice_agent.live.entra import EntraId
from voice_agent.live.model_leg import ModelLeg
from voice_agent.wire.bridge import Input
from voice_agent.wire.endpoint import Endpoint

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

    async with asyncio.timeout(30), serve(talk, "127.0.0.1", 0, process_request=look) as server:
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


def test_a_login_that_never_answers_is_a_refusal_in_time() -> None:
    class Stuck(Login):
        async def get_token(self, *scopes: str) -> Token:
            await asyncio.Event().wait()
            raise AssertionError(f"nobody opens {scopes}")

    async def main() -> list[Input]:
        fed: list[Input] = []
        async with asyncio.timeout(30):
            where = Endpoint("ws://127.0.0.1:1/", {}, "azure", entra=True)
            await ModelLeg(where, EntraId(Stuck(), SCOPE), open_seconds=0.01).run(fed.append)
        return fed

    (refused,) = asyncio.run(main())

    assert isinstance(refused, ModelRefused)
    assert "no answer within 0.01 s" in refused.detail
