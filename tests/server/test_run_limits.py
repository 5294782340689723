"""Limits of calls and of spending, at the server as it is run."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from tests.server.test_run import a_server
from tests.support import tiny_twilio
from tests.support.tiny_twilio import FIELDS, request, webhook
from voice_agent.config.secret import Secret
from voice_agent.errors import ConfigError
from voice_agent.live.spending import SPENT
from voice_agent.server import last_resort as lines
from voice_agent.wire import twiml

PRICES = """
[models.test]
text_input = 0
text_cached = 0
text_output = 0
audio_input = 0
audio_cached = 0
audio_output = 100
"""
A_CENT = {"input_tokens": 0, "output_tokens": 100, "output_token_details": {"text_tokens": 0, "audio_tokens": 100}}


async def echo(stream: ClientConnection) -> None:
    """Play what comes, to the stream's end: every mark is echoed."""
    with suppress(ConnectionClosed):
        while True:
            message = json.loads(await stream.recv())
            if message["event"] == "mark":
                await stream.send(tiny_twilio.mark(message["mark"]["name"]))


def priced(folder: Path, prices: str = PRICES) -> dict[str, Any]:
    path = folder / "prices.toml"
    path.write_text(prices)
    return {"prices": path, "realtime_provider": "openai"}


def test_a_call_that_has_cost_enough_says_goodbye_and_the_day_s_end_takes_no_more(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_server(tmp_path, spend_per_call=0.01, spend_per_day=0.02, **priced(tmp_path)) as call:
            call.model.usage = A_CENT
            stream = await call.stream()
            await echo(stream)
            asked = [message["response"]["instructions"] for message in call.model.of_type("response.create")]
            status, text = await webhook(f"{call.serving.url}/twilio/voice", {**FIELDS, "CallSid": "CA" + "5" * 32})
            metrics = (await request(f"{call.serving.url}/metrics", host="127.0.0.1"))[1]

        assert (call.ended[0].outcome, call.ended[0].reason) == ("completed", SPENT)
        assert len(asked) == 2
        assert "The time for this call is over" in asked[1]
        assert (status, twiml.parse(text)) == (200, [twiml.Say(lines.CANNOT_ANSWER), twiml.Hangup()])
        assert "voice_agent_spent_today 0.02\n" in metrics
        assert "voice_agent_cost_total 0.02\n" in metrics
        assert 'voice_agent_refused_total{reason="the day\'s money is spent"} 1.0' in metrics
        # Another server, which finds them in the history.
        async with a_server(tmp_path, spend_per_day=0.02, **priced(tmp_path)) as call:
            assert call.serving.spending.is_exhausted

    asyncio.run(main())


def test_counts_are_for_this_machine_and_for_who_knows_a_token(tmp_path: Path) -> None:
    async def main() -> list[int]:
        async with a_server(tmp_path, api_token=Secret("secret"), metrics_token=Secret("less")) as call:
            url = f"{call.serving.url}/metrics"
            return [
                (await request(url, host="phone.example"))[0],
                (await request(url, headers={"X-Forwarded-For": "127.0.0.1"}, host="127.0.0.1"))[0],
                (await request(url, headers={"Authorization": "Bearer guessed"}))[0],
                (await request(url, headers={"Authorization": "Bearer secret"}))[0],
                (await request(url, headers={"Authorization": "Bearer less"}))[0],
                (await request(f"{call.serving.url}/calls/CA1", headers={"Authorization": "Bearer less"}))[0],
                (await request(url, host="127.0.0.1"))[0],
            ]

    assert asyncio.run(main()) == [403, 403, 403, 200, 200, 401, 200]


def test_a_limit_needs_a_price(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_server(tmp_path, spend_per_day=1.0, **priced(tmp_path, "")):
            raise AssertionError("it cannot start")

    with pytest.raises(ConfigError, match='SPEND_PER_DAY: cannot be kept, for there is no price of "test": add it to'):
        asyncio.run(main())


def test_who_speaks_goes_on_while_others_are_turned_away(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_server(tmp_path, max_calls=1) as call:
            stream = await call.stream()
            await stream.recv()
            answers = [
                await webhook(f"{call.serving.url}/twilio/voice", {**FIELDS, "CallSid": f"CA{number:032x}"})
                for number in range(7, 10)
            ]
            assert all(twiml.parse(text)[0] == twiml.Say(lines.ALL_BUSY) for _, text in answers)
            metrics = (await request(f"{call.serving.url}/metrics", host="127.0.0.1"))[1]
            assert "voice_agent_calls_limit 1.0\n" in metrics
            assert "voice_agent_calls 1.0\n" in metrics
            await stream.send(tiny_twilio.stop())
            await echo(stream)

        assert call.ended[0].outcome == "caller_hung_up"

    asyncio.run(main())
