"""What a call's tokens cost, by a table that the user can edit: `PRICES` over the packaged `prices.toml`.

The carrier's minutes and the transcription of the caller's words are billed apart and are not in it. It must not know
where usage comes from.
"""

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from voice_agent.call.events import Usage
from voice_agent.config.models import base_name
from voice_agent.errors import ConfigError

PACKAGED = Path(__file__).with_name("prices.toml")

_MILLION = 1_000_000

LOCAL = "nothing (the local Realtime server)"


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of a million tokens of each kind."""

    text_input: float
    text_cached: float
    text_output: float
    audio_input: float
    audio_cached: float
    audio_output: float

    def cost(self, usage: Usage) -> float:
        """Price the tokens of a response or a call. Cached tokens are a part of the input and are counted once."""
        audio_cached = min(usage.cached_audio_tokens, usage.input_audio_tokens)
        text = usage.input_tokens - usage.input_audio_tokens
        text_cached = min(usage.cached_tokens - usage.cached_audio_tokens, text)
        return (
            (text - text_cached) * self.text_input
            + text_cached * self.text_cached
            + (usage.input_audio_tokens - audio_cached) * self.audio_input
            + audio_cached * self.audio_cached
            + (usage.output_tokens - usage.output_audio_tokens) * self.text_output
            + usage.output_audio_tokens * self.audio_output
        ) / _MILLION


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    currency: str | None = None
    models: dict[str, Price] = {}


class Prices:
    """All prices, in one currency."""

    def __init__(self, models: dict[str, Price], currency: str) -> None:
        self._models = models
        self.currency = currency

    def of(self, model: str) -> Price | None:
        """Find the price of a model or of its snapshot; `None`: unknown."""
        return self._models.get(model) or self._models.get(base_name(model))

    def told(self, model: str, usage: Usage) -> str:
        """Say what tokens cost, for people; `model` is empty for the local server."""
        if not model:
            return LOCAL
        price = self.of(model)
        if price is None:
            return f'price unknown (PRICES has no "{model}")'
        return f"{price.cost(usage):.4f} {self.currency}"

    def short(self, model: str, usage: Usage) -> str:
        """Say the same in a table's cell: `-` costs nothing, `?` is unknown."""
        price = self.of(model)
        return "-" if not model else "?" if price is None else f"{price.cost(usage):.4f}"


def load_prices(own: Path | None = None) -> Prices:
    """Read the packaged prices and over them the user's; raises `ConfigError` that names the file and what is wrong."""
    packaged = _read(PACKAGED)
    users = _read(own) if own is not None else _Table()
    assert packaged.currency is not None, "it stands in our file"
    if users.currency not in (None, packaged.currency):
        # Prices of two currencies cannot stand in one table.
        return Prices(users.models, users.currency)
    return Prices(packaged.models | users.models, packaged.currency)


def _read(path: Path) -> _Table:
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_bytes().decode())
        return msgspec.convert(raw, _Table)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); name a file like {PACKAGED}", "PRICES") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}", "PRICES") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}; see {PACKAGED}", "PRICES") from None
