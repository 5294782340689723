import asyncio

import pytest

from voice_agent.emulator.load.own_server import own_server
from voice_agent.errors import CommandError


def test_a_server_that_does_not_come_up_in_time_is_told_in_a_line() -> None:
    async def start() -> None:
        async with own_server("ws://127.0.0.1:1/v1/realtime", "g711", start_s=0.01):
            raise AssertionError("nothing starts as fast as that")

    with pytest.raises(CommandError, match=r"voice-agent serve took no calls within 0\.01 s"):
        asyncio.run(start())
