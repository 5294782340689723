"""The HTTP side of browsers' calls at the configured endpoint: minting secrets, hanging up, joining by a sideband.

Nothing here is on the path of any audio. It must not know agents.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import aiohttp
import msgspec

from voice_agent.config.variables import is_loopback
from voice_agent.errors import PeerError
from voice_agent.live.credentials import Credential, CredentialError
from voice_agent.live.mcp_secrets import McpSecrets
from voice_agent.live.model_leg import ModelLeg, tls
from voice_agent.wire.call_address import CallAddress, call_address
from voice_agent.wire.endpoint import Endpoint, explain_refusal, explain_silence

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
"""Longest wait for the endpoint."""

MOST_BYTES = 1024 * 1024
"""Of an answer; what is asked for has some hundred."""


class Minted(msgspec.Struct, frozen=True):
    """An ephemeral secret."""

    value: str
    expires_at: int
    """Unix seconds."""


class CallClient:
    """One for the server."""

    def __init__(self, endpoint: Endpoint, credential: Credential | None = None) -> None:
        """Raises `ConfigError` for an endpoint without such calls."""
        self.address: CallAddress = call_address(endpoint)
        self._endpoint = endpoint
        self._credential = credential

    async def mint(self, session: dict[str, Any], seconds: int, secrets: McpSecrets) -> Minted:
        """Make a secret that opens `session`, with `secrets`; raises `PeerError` with one line that holds none."""
        named = secrets.session(session) | ({"model": self.address.model} if self.address.model else {})
        body = {"expires_after": {"anchor": "created_at", "seconds": seconds}, "session": named}
        text = await self._post(self.address.secrets, body, secrets.incoming)
        try:
            return msgspec.json.decode(text, type=Minted)
        except (ValueError, RecursionError) as error:
            raise PeerError(f"the endpoint's secret cannot be read: {error}") from None

    async def hang_up(self, call_id: str) -> None:
        """End a call; one that is over already is no fault, and any other is logged."""
        try:
            await self._post(self.address.hang_up(call_id), None)
        except PeerError as error:
            logger.info("hanging up %s: %s", call_id, error)

    def leg(self, call_id: str, secrets: McpSecrets) -> ModelLeg:
        """Make a leg that joins a call."""
        return ModelLeg(self.address.sideband(self._endpoint, call_id), self._credential, secrets=secrets)

    async def _post(self, url: str, body: dict[str, Any] | None, cover: Callable[[str], str] = str) -> str:
        where = self._endpoint
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if self._credential is not None:
                    headers = {**where.headers, **await self._credential.headers()}
                    where = msgspec.structs.replace(where, headers=headers)
                # A redirect would hand Azure's `api-key` header on to a foreign host.
                headers = {**where.headers, "Accept-Encoding": "identity"}
                async with (
                    # What is packed may be any length.
                    aiohttp.ClientSession(trust_env=not is_loopback(url), auto_decompress=False) as http,
                    http.post(url, json=body, headers=headers, ssl=tls(), allow_redirects=False) as response,
                ):
                    answer = b""
                    while len(answer) <= MOST_BYTES and (more := await response.content.read(MOST_BYTES)):
                        answer += more
        except CredentialError as error:
            raise PeerError(str(error)) from None
        except TimeoutError:
            raise PeerError(explain_silence(f"no answer within {ANSWER_SECONDS:g} s", where)) from None
        except (aiohttp.ClientError, OSError) as error:
            raise PeerError(explain_silence(str(error) or type(error).__name__, where)) from None
        if len(answer) > MOST_BYTES:
            raise PeerError(explain_silence(f"its answer is longer than {MOST_BYTES} bytes", where))
        text = cover(answer.decode(errors="replace"))
        if response.status not in (200, 201, 204):
            raise PeerError(explain_refusal(response.status, text, where))
        return text
