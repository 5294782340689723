"""Which Realtime endpoint the settings mean, how a call speaks to it, and what agents must get along with there.

It must not open anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from voice_agent.call.setup import ModelSetup
from voice_agent.config.agents import Demands
from voice_agent.config.models import remark
from voice_agent.config.references import References
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings
from voice_agent.live.credentials import Credential, credential_of
from voice_agent.wire.endpoint import Endpoint, endpoint


def endpoint_of(settings: Settings, emulator_url: str = "") -> Endpoint:
    """Give the endpoint with its key. `emulator_url`: where the local Realtime server listens, if one was started.

    Raises `ConfigError` that names the variable.
    """
    url, dialect = settings.realtime_url or "", settings.realtime_dialect
    match settings.realtime_provider:
        case "azure":
            return endpoint(
                "azure",
                model=settings.azure_openai_deployment or "",
                key=_text(settings.azure_openai_api_key),
                base_url=settings.azure_openai_endpoint or "",
                url=url,
                dialect=dialect,
                api_version=settings.azure_openai_api_version or "",
            )
        case "openai":
            return endpoint(
                "openai",
                model=settings.openai_realtime_model,
                key=_text(settings.openai_api_key),
                base_url=settings.openai_base_url or "",
                url=url,
                dialect=dialect,
            )
        case "emulator":
            return endpoint("emulator", base_url=emulator_url, url=url, dialect=dialect)


def demands_of(settings: Settings, references: References) -> Demands:
    """Say what agents must get along with: the models, their dialects, the variables that are set. Raises as above."""
    fallbacks = ((each.name, demands_of(each.settings, references)) for each in settings.realtime_fallbacks)
    preview = endpoint_of(settings).dialect == "preview"
    return Demands(model=settings.model, preview=preview, references=references, fallbacks=tuple(fallbacks))


def remarks(settings: Settings, today: date) -> Iterator[str]:
    """Say in a line each what a user should know of the models before their calls."""
    endpoints = (settings, *(each.settings for each in settings.realtime_fallbacks))
    told = (remark(each.model, each.realtime_provider, today) for each in endpoints if each.model)
    yield from dict.fromkeys(filter(None, told))


def model_setup(settings: Settings, where: Endpoint, name: str = "") -> ModelSetup:
    """Say how the model is spoken to, without its address and key. `name`: the endpoint's, if it has one."""
    return ModelSetup(
        name=name,
        provider=where.provider,
        model=settings.model,
        dialect=where.dialect,
        audio=settings.realtime_audio,
    )


@dataclass(frozen=True)
class Reachable:
    """One of the endpoints that calls may use, with all that it takes to reach it."""

    setup: ModelSetup
    endpoint: Endpoint
    credential: Credential | None = None
    """Beside its fixed headers."""


def reachable(settings: Settings, emulator_url: str = "") -> tuple[Reachable, ...]:
    """Give all endpoints, in the order of the settings. Raises as above; they have names where there are several."""
    fallbacks = settings.realtime_fallbacks
    first = settings.realtime_provider if fallbacks else ""
    named = [(first, settings, emulator_url), *((each.name, each.settings, "") for each in fallbacks)]
    found = []
    for name, each, url in named:
        where = endpoint_of(each, url)
        found.append(Reachable(model_setup(each, where, name), where, credential_of(each, where)))
    return tuple(found)


def _text(secret: Secret | None) -> str:
    return secret.reveal() if secret is not None else ""
