"""The emulated account's REST API, asked through the real `twilio` package."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from tests.support.tiny_customer import ACCOUNT_SID, TOKEN
from voice_agent.emulator.twilio import EmulatedTwilio, IncomingNumber


class Elsewhere(TwilioHttpClient):  # type: ignore[misc]  # the package has no types
    """The package's own client, pointed to the emulator."""

    def __init__(self, base_url: str) -> None:
        super().__init__(timeout=20)
        self.base_url = base_url
        self.session.trust_env = False

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        return super().request(method, f"{self.base_url}{parts.path}{query}", *args, **kwargs)


Rest = Callable[[Callable[[Any], Any]], Awaitable[Any]]


@asynccontextmanager
async def emulated_account(token: str = TOKEN, **more: Any) -> AsyncIterator[tuple[EmulatedTwilio, Rest]]:
    """Give an account (`more` of it: see there) and a way to ask it through the package, off the loop."""
    async with EmulatedTwilio(ACCOUNT_SID, TOKEN, **more) as twilio:
        http = Elsewhere(twilio.base_url)
        client = Client(ACCOUNT_SID, token, http_client=http)

        async def ask(question: Callable[[Any], Any]) -> Any:
            return await asyncio.to_thread(question, client)

        try:
            yield twilio, ask
        finally:
            http.session.close()


def with_rest(
    main: Callable[[EmulatedTwilio, Rest], Awaitable[None]], token: str = TOKEN, numbers: Sequence[IncomingNumber] = ()
) -> None:
    """Run with an account and a way to ask it."""

    async def run() -> None:
        async with asyncio.timeout(30), emulated_account(token, numbers=numbers) as (twilio, ask):
            await main(twilio, ask)

    asyncio.run(run())
