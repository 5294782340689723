"""What a replayed call cost, for expectations: by the table of `PRICES` in the environment, or by the packaged one.

`.env` is not read: what a test expects must not depend on a file of the machine that it runs on.
"""

import os
from functools import cache
from pathlib import Path

import msgspec

from voice_agent.call.events import Usage
from voice_agent.config.prices import Prices, load_prices


class Cost(msgspec.Struct, frozen=True):
    """Of the whole call, without the carrier's minutes and the transcription of the caller."""

    usage: Usage
    """The tokens by kind."""
    money: float | None
    """`None`: the table has no price of the model. The local Realtime server costs nothing."""
    currency: str
    """As the table has it, e.g. USD."""

    @property
    def tokens(self) -> int:
        """All that were read and written; cached ones are among them."""
        return self.usage.input_tokens + self.usage.output_tokens


def cost_of(model: str, usage: Usage, prices: Prices | None = None) -> Cost:
    """Price a call's tokens. `model`: empty for the local server.

    Without `prices` the table is read; raises `ConfigError` for one that cannot be.
    """
    prices = prices or _prices()
    price = prices.of(model)
    money = 0.0 if not model else None if price is None else price.cost(usage)
    return Cost(usage, money, prices.currency)


@cache
def _prices() -> Prices:
    own = os.environ.get("PRICES")
    return load_prices(Path(own) if own else None)
