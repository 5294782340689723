"""`serve --workers 2` as its users meet it: over real sockets, with workers that are killed and stopped meanwhile."""

import asyncio
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path

from tests.support.served import served
from tests.support.tiny_twilio import ACCOUNT_SID, FIELDS, TOKEN, request, webhook
from tests.system.reliability import AGENT, sentences, talking_model
from voice_agent.emulator.twilio import EmulatedTwilio
from voice_agent.emulator.twilio.call import EmulatedCall

ROOM = 4


async def page(url: str, path: str) -> tuple[int, str]:
    return await request(f"{url}{path}", host="127.0.0.1")


async def counts(url: str, name: str) -> dict[str, int]:
    """What each worker tells, by its number, or what all tell together, by an empty one."""
    _, text = await page(url, "/metrics")
    found = re.findall(rf'^voice_agent_{name}(?:{{worker="(\d+)"}})? (\d+)', text, re.MULTILINE)
    return {worker: int(value) for worker, value in found}


async def asks(one: EmulatedCall) -> bool:
    if one.hearing is None:
        await one.streaming(15)
    spoken = sentences(one)
    one.press("5")
    return await one.wait_until(lambda: sentences(one) > spoken, 8)


async def all_ask(calls: list[EmulatedCall]) -> bool:
    return all(await asyncio.gather(*map(asks, calls)))


async def have_streams(calls: list[EmulatedCall], counts: list[int]) -> None:
    """Wait until all have had so many at least; none has had more."""
    assert all(await asyncio.gather(*(
        one.wait_until(lambda: sorted(len(each.streams) for each in calls) >= counts, 8) for one in calls
    )))  # fmt: skip
    assert sorted(len(one.streams) for one in calls) == counts


def settings(folder: Path, **more: str) -> Mapping[str, str]:
    (folder / "reception.yaml").write_text(AGENT)
    return {
        "PORT": "0", "DATA": str(folder / "data"), "AGENTS": str(folder / "reception.yaml"), "TWILIO_AUTH_TOKEN": TOKEN,
        "REALTIME_PROVIDER": "emulator", "REALTIME_AUDIO": "g711", "MAX_LAG_MS": "10000", "DRAIN_SECONDS": "9", **more,
    }  # fmt: skip


def test_two_workers_share_the_calls_and_their_limit_and_each_takes_up_what_the_other_loses_or_lets_go_of(
    tmp_path: Path,
) -> None:
    async def main() -> int:
        async with talking_model() as model, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            environment = settings(tmp_path, REALTIME_URL=model.url, MAX_CALLS=str(ROOM))
            async with served(tmp_path, "--workers", "2", environment=environment) as (server, url):
                await server.says("all 2 workers serve")
                calls = [
                    twilio.place_call(f"{url}/twilio/voice", f"+1425555{number:04}", "+14255550100")
                    for number in range(ROOM)
                ]
                assert all(await asyncio.gather(*(one.agent_spoke(300, 20) for one in calls)))
                shared = await counts(url, "calls_started_total")
                # Two each, but for a worker that is late at the moment: it is spared.
                assert (set(shared), sum(shared.values())) == ({"1", "2"}, ROOM)
                assert min(shared.values()) > 0
                assert await counts(url, "calls") == {"": ROOM}
                for number in (50, 51):
                    status, twiml = await webhook(f"{url}/twilio/voice", {**FIELDS, "CallSid": f"CA{number:032}"})
                    assert (status, "<Stream" in twiml) == (200, False)

                os.kill(server.workers[1], signal.SIGKILL)
                await server.says("the call was lost and goes on", shared["2"])
                await server.says("worker 2 serves again")
                await have_streams(calls, [1] * shared["1"] + [2] * shared["2"])

                # All are with the one that was not killed.
                os.kill(server.workers[0], signal.SIGTERM)
                await server.says("the call was handed over and goes on", ROOM)
                await server.says("worker 1 serves again")
                assert await all_ask(calls)
                await have_streams(calls, [2] * shared["1"] + [3] * shared["2"])

                # As whoever ends all processes of a name, or of a group.
                for process_id in (*server.workers, server.process.pid):
                    os.kill(process_id, signal.SIGTERM)
                await server.says(f"stopping: {ROOM} calls are waited for (at most 9 s")
                assert await all_ask(calls)
                for one in calls:
                    one.hang_up()
                await asyncio.gather(*(one.ended() for one in calls))
                status = await server.ended()
                assert server.count("worker 1 stops, the others go on: 4 calls go on elsewhere") == 1
                assert server.count("Listening on") == 1
                return status

    assert asyncio.run(main()) == 0
