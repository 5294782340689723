"""`serve --workers 2` as its users meet it: over real sockets, with a worker that is killed in the middle."""

import asyncio
import contextlib
import os
import re
import select
import signal
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from tests.support.tiny_twilio import ACCOUNT_SID, FIELDS, TOKEN, request, webhook
from tests.system.reliability import SERVE, Server, sentences, talking_model
from voice_agent.emulator.twilio import EmulatedTwilio
from voice_agent.emulator.twilio.call import EmulatedCall

ROOM = 4


@contextlib.asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[Server, EmulatedTwilio]]:
    async with talking_model() as model, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
        program = (*SERVE, "--workers", "2")
        server = await asyncio.to_thread(
            lambda: Server(folder, 0, program, REALTIME_URL=model.url, MAX_CALLS=str(ROOM), DRAIN_SECONDS="9")
        )
        try:
            await until_up(server)
            yield server, twilio
        finally:
            if server.process.poll() is None:
                await asyncio.to_thread(server.stop)


def call(server: Server, twilio: EmulatedTwilio, number: int) -> EmulatedCall:
    return twilio.place_call(f"{server.url}/twilio/voice", f"+1425555{number:04}", "+14255550100")


async def page(server: Server, path: str) -> tuple[int, str]:
    return await request(f"{server.url}{path}", host="127.0.0.1")


async def counts(server: Server, name: str) -> dict[str, int]:
    """What each worker tells, by its number, or what all tell together, by an empty one."""
    _, text = await page(server, "/metrics")
    found = re.findall(rf'^voice_agent_{name}(?:{{worker="(\d+)"}})? (\d+)', text, re.MULTILINE)
    return {worker: int(value) for worker, value in found}


async def until_up(server: Server) -> None:
    async with asyncio.timeout(20):
        while len(await counts(server, "webhooks_total")) < 2:  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(0.05)


async def asks(one: EmulatedCall) -> bool:
    if one.hearing is None:
        await one.streaming(15)
    spoken = sentences(one)
    one.press("5")
    return await one.wait_until(lambda: sentences(one) > spoken, 8)


async def all_ask(calls: Mapping[int, EmulatedCall]) -> bool:
    return all(await asyncio.gather(*(asks(one) for one in calls.values())))


def test_two_workers_share_the_calls_and_their_limit_and_one_takes_up_what_the_other_loses(tmp_path: Path) -> None:
    async def main() -> int:
        async with served(tmp_path) as (server, twilio):
            calls = {number: call(server, twilio, number) for number in range(ROOM)}
            assert all(await asyncio.gather(*(one.agent_spoke(300, 20) for one in calls.values())))
            shared = await counts(server, "calls_started_total")
            # Two each, but for a worker that is late at the moment: it is spared.
            assert (set(shared), sum(shared.values())) == ({"1", "2"}, ROOM)
            assert min(shared.values()) > 0
            assert await counts(server, "calls") == {"": ROOM}
            for number in (50, 51):
                status, twiml = await webhook(f"{server.url}/twilio/voice", {**FIELDS, "CallSid": f"CA{number:032}"})
                assert (status, "<Stream" in twiml) == (200, False)
            assert await all_ask(calls)

            os.kill(server.workers[1], signal.SIGKILL)
            async with asyncio.timeout(10):
                while await counts(server, "calls_started_total") == shared:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.05)
            await until_up(server)
            assert await all_ask(calls)
            assert sum(len(one.streams) - 1 for one in calls.values()) in shared.values()
            assert max(len(one.streams) for one in calls.values()) == 2

            moved = {number: len(one.streams) for number, one in calls.items()}
            # All are with the one that was not killed.
            stops = os.pidfd_open(server.workers[0])
            os.kill(server.workers[0], signal.SIGTERM)
            assert await asyncio.to_thread(select.select, [stops], [], [], 10)
            await until_up(server)
            assert await all_ask(calls)
            assert {number: len(one.streams) - 1 for number, one in calls.items()} == moved

            # As whoever ends all processes of a name or of a group.
            for process_id in (*server.workers, server.process.pid):
                os.kill(process_id, signal.SIGTERM)
            async with asyncio.timeout(10):
                while (await page(server, "/readyz"))[0] != 503:  # noqa: ASYNC110 - as above
                    await asyncio.sleep(0.05)
            assert await all_ask(calls)  # a stop waits for all of them
            for one in calls.values():
                one.hang_up()
            await asyncio.gather(*(one.ended() for one in calls.values()))
            await asyncio.to_thread(server.process.communicate, timeout=20)
            return server.process.returncode

    assert asyncio.run(main()) == 0
    told = (tmp_path / "log").read_text()
    assert told.count("the call was lost and goes on") in {1, 2, 3}
    assert told.count("the call was handed over and goes on") == ROOM
    assert "worker 1 stops, the others go on: 4 calls go on elsewhere" in told
    assert "worker 1 has stopped: another one is started in its place" in told
