"""Entra ID (Azure's logins) instead of a key: a bearer token for each connection. Needs the extra `azure`.

`DefaultAzureCredential` finds the login: the environment (`AZURE_CLIENT_ID`, `AZURE_TENANT_ID`, `AZURE_CLIENT_SECRET`),
a workload or managed identity, `az login`. It keeps a token until it is about to expire, so that asking for each
connection costs nothing most of the time; the service looks at it at the upgrade only.
"""

from typing import Any, Protocol

from azure.core.exceptions import AzureError
from azure.identity.aio import DefaultAzureCredential

from voice_agent.live.credentials import CredentialError

_SHOWN = 200
"""Characters of the library's words that are quoted; its whole story is a page."""


class Token(Protocol):
    """What is needed of `azure.core.credentials.AccessToken`."""

    @property
    def token(self) -> str:
        """The token itself, a secret."""
        ...


class TokenSource(Protocol):
    """What is needed of `azure.core.credentials_async.AsyncTokenCredential`."""

    async def get_token(self, *scopes: str) -> Token:
        """Give a token that is valid now."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class EntraId:
    """Fits `credentials.Credential`."""

    def __init__(self, source: TokenSource, scope: str) -> None:
        """`scope`: what the token opens, `https://.../.default`."""
        self._source = source
        self._scope = scope

    async def headers(self) -> dict[str, str]:
        """Ask for a token; raises `CredentialError`."""
        try:
            found = await self._source.get_token(self._scope)
        except (AzureError, OSError, ValueError) as error:
            said = " ".join(str(getattr(error, "message", "") or error).split())[:_SHOWN]
            raise CredentialError(
                "no Entra ID token: log in (az login), give this machine an identity, or set AZURE_OPENAI_API_KEY; "
                f"check AZURE_OPENAI_SCOPE, too ({said or type(error).__name__})"
            ) from None
        return {"Authorization": f"Bearer {found.token}"}

    async def close(self) -> None:
        """Close the connections to the login service."""
        await self._source.close()


def entra_id(scope: str) -> EntraId:
    """Make the credential of this machine's login."""
    source: Any = DefaultAzureCredential()
    return EntraId(source, scope)
