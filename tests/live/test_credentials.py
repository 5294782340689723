import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings
from voice_agent.errors import ConfigError
from voice_agent.live.credentials import credential_of
from voice_agent.live.endpoints import endpoint_of
from voice_agent.live.entra import EntraId

AZURE = Settings(
    realtime_provider="azure",
    azure_openai_endpoint="https://res.openai.azure.com",
    azure_openai_deployment="rt",
)


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
