"""How a connection proves who it is, where that is not a fixed key: the headers of each upgrade, asked for anew.

It must not know which endpoint the headers are for, nor import what only some users have installed.
"""

from typing import Protocol

from voice_agent.config.settings import Settings
from voice_agent.errors import ConfigError, VoiceAgentError
from voice_agent.wire.endpoint import Endpoint

EXTRA = 'pip install "voice-agent[azure]"'


class CredentialError(VoiceAgentError):
    """No proof can be had now: one line that says what to check."""


class Credential(Protocol):
    """Something that makes headers; shared by all connections of a process."""

    async def headers(self) -> dict[str, str]:
        """Give the headers of one upgrade, valid now; may wait for a network. Raises `CredentialError`."""
        ...

    async def close(self) -> None:
        """Let go of what it holds open."""
        ...


def credential_of(settings: Settings, endpoint: Endpoint) -> Credential | None:
    """Make the credential that an endpoint wants beside its fixed headers; `None`: it wants none.

    Call it before the first call comes: the packages take a quarter of a second to import. Raises `ConfigError` when
    they are missing.
    """
    if not endpoint.entra:
        return None
    try:
        from voice_agent.live.entra import entra_id  # noqa: PLC0415 - needs packages of the extra `azure`
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"must be set, or Entra ID needs a package that is missing ({error.name}): {EXTRA}", "AZURE_OPENAI_API_KEY"
        ) from None
    return entra_id(settings.azure_openai_scope)
