"""What a long conversation costs: the tokens that each turn reads and the call's price, by what becomes of the past.

The local server's core counts as the API does (a token for 100 ms of the caller and for 50 ms of the agent, the whole
retained conversation read anew by each response) and caches every common beginning, which the services do only most of
the time. So each row shows the price with that cache and, as the yardstick, without any: the truth lies between.
"""

import base64
from typing import Any, NamedTuple

import msgspec

from tests.bench.table import Row, Table
from tests.support.realtime_client import VirtualClient
from voice_agent.call.events import Usage
from voice_agent.config.prices import load_prices
from voice_agent.sim.realtime import RealtimeOptions
from voice_agent.wire import realtime
from voice_agent.wire.model_events import response_done

MODEL = "gpt-realtime-2.1"
INSTRUCTIONS = "x" * 4000
"""1,000 tokens: a page of instructions."""
CALLER_MS = 4000
AGENT_CHARACTERS = 600
"""6 s of the virtual client's speech."""
LIMIT = 4000
POLICIES: dict[str, Any] = {
    "uncut": "auto",
    f"0.8 of {LIMIT} kept": {
        "type": "retention_ratio",
        "retention_ratio": 0.8,
        "token_limits": {"post_instructions": LIMIT},
    },
    f"all of {LIMIT} kept": {
        "type": "retention_ratio",
        "retention_ratio": 1.0,
        "token_limits": {"post_instructions": LIMIT},
    },
}
TURNS = (10, 20, 30, 40, 50, 60)


class Spent(NamedTuple):
    """One turn's end."""

    read: int
    """Tokens of the turn's input."""
    cached_usd: float
    """Of the call so far, with the cache."""
    uncached_usd: float


def conversation(truncation: Any, turns: int) -> list[Spent]:
    """Hold one conversation; the state after each turn."""
    client = VirtualClient(RealtimeOptions(pace=0))
    client.brain = lambda _: ["w" * AGENT_CHARACTERS]
    client.setup(instructions=INSTRUCTIONS, truncation=truncation)
    audio = base64.b64encode(bytes(48 * CALLER_MS)).decode()
    item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": audio}]}
    price = load_prices().of(MODEL)
    assert price is not None, "the table knows the model that we recommend"
    spent, cached_usd, uncached_usd = [], 0.0, 0.0
    for _ in range(turns):
        client.send(type="conversation.item.create", item=item)
        client.send(type="response.create")
        usage = _usage(client)
        cached_usd += price.cost(usage)
        uncached_usd += price.cost(msgspec.structs.replace(usage, cached_tokens=0, cached_audio_tokens=0))
        spent.append(Spent(usage.input_tokens, cached_usd, uncached_usd))
    return spent


def _usage(client: VirtualClient) -> Usage:
    """Read the last response's usage as a call does."""
    message = realtime.parse(msgspec.json.encode(client.of("response.done")[-1]).decode())
    assert isinstance(message, realtime.ResponseDone), "it is one"
    usage = response_done(message.response).usage
    assert usage is not None, "the local server always tells it"
    return usage


def run() -> Table:
    """Hold conversations of up to 60 turns under each policy."""
    curves = {name: conversation(truncation, max(TURNS)) for name, truncation in POLICIES.items()}
    rows = []
    for turns in TURNS:
        uncut = curves["uncut"][turns - 1]
        for name, curve in curves.items():
            spent = curve[turns - 1]
            bounded = name != "uncut"
            rows.append(
                Row(
                    f"{turns} turns, {name}: the last reads {spent.read:,}",
                    f"{spent.cached_usd:.3f} USD",
                    f"{spent.uncached_usd:.3f} USD",
                    f"{spent.cached_usd / uncut.cached_usd:.2f} of uncut",
                    f"reads <= {LIMIT + 1000:,}" if bounded else "none",
                    not bounded or spent.read <= LIMIT + 1000,
                )
            )
    return Table(f"Cost of a call by its turns, {MODEL}: cached, beside no cache at all", rows)
