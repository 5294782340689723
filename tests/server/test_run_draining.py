"""A server that stops on purpose, through real sockets: its calls are waited for, or go on with its successor."""

import asyncio
import socket
from pathlib import Path

import msgspec

from tests.server.test_run import Call, a_server
from tests.server.test_run_continuing import CALLED, CALLER, said
from tests.support import tiny_twilio
from tests.support.pump import settle
from tests.support.stored import latest
from tests.support.tiny_twilio import ACCOUNT_SID, CALL_SID, TOKEN, webhook
from tests.support.tiny_twilio import request as plain_request
from voice_agent.call.commands import CallEnded
from voice_agent.config.secret import Secret
from voice_agent.emulator.twilio import EmulatedTwilio
from voice_agent.server.run import Serving
from voice_agent.store.database import FILE_NAME


def test_a_server_that_drains_takes_no_new_call_and_waits_for_the_one_it_has(tmp_path: Path) -> None:
    async def main() -> Call:
        async with a_server(tmp_path) as call, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            url = call.serving.url
            caller = twilio.place_call(f"{url}/twilio/voice", CALLER, CALLED)
            assert await caller.wait_until(lambda: said(call, 1))
            assert call.serving.close_to_new_calls() == 1
            async with asyncio.TaskGroup() as tasks:
                draining = tasks.create_task(call.serving.drain(asyncio.Event()))
                assert await plain_request(f"{url}/readyz") == (503, "stopping\n")
                status, _ = await webhook(f"{url}/twilio/voice", {"CallSid": CALL_SID, "To": CALLED})
                assert status == 503
                assert not draining.done()
                caller.hang_up()
            await caller.ended()
            return call

    call = asyncio.run(main())

    assert [ended.outcome for ended in call.ended] == ["caller_hung_up"]
    assert call.serving.metrics.get("refused", reason="stopping") == 1


def test_a_wait_for_calls_ends_when_somebody_hurries_or_its_time_is_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_server(tmp_path, drain_seconds=0) as call, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            caller = twilio.place_call(f"{call.serving.url}/twilio/voice", CALLER, CALLED)
            assert await caller.wait_until(lambda: said(call, 1))
            call.serving.close_to_new_calls()
            await call.serving.drain(asyncio.Event())
            call.serving.settings = msgspec.structs.replace(call.serving.settings, drain_seconds=100)
            hurry = asyncio.Event()
            hurry.set()
            await call.serving.drain(hurry)

    asyncio.run(main())


def test_a_server_with_little_time_waits_for_nobody_who_can_go_on_elsewhere(tmp_path: Path) -> None:
    async def drained(seconds: int, *, replaced: bool, others: bool = False) -> bool:
        """Whether nobody was waited for."""
        folder = tmp_path / f"{seconds}-{replaced}-{others}"
        folder.mkdir()
        async with a_server(folder, drain_seconds=seconds, replaced=replaced) as call:
            stream = await call.stream()
            if others:
                database = Secret("postgresql://nobody@db.example/calls")
                call.serving.settings = msgspec.structs.replace(call.serving.settings, database_url=database)
            draining = asyncio.ensure_future(call.serving.drain(asyncio.Event()))
            await settle()
            at_once = draining.done()
            draining.cancel()
            await stream.send(tiny_twilio.stop())
            await call.reported(CallEnded)
            return at_once

    async def main() -> list[bool]:
        return [
            await drained(29, replaced=True),
            await drained(30, replaced=True),
            await drained(29, replaced=False),
            # A proxy that knows other servers has to learn that they are to be asked.
            await drained(29, replaced=True, others=True),
            await drained(0, replaced=True, others=True),
        ]

    assert asyncio.run(main()) == [True, False, False, False, True]


def test_a_call_that_is_left_goes_on_with_the_next_server_of_the_socket(tmp_path: Path) -> None:
    async def main() -> tuple[Call, Call, list[str]]:
        with socket.create_server(("127.0.0.1", 0)) as held:
            async with EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
                async with a_server(tmp_path, listening=held.dup(), replaced=True) as first:
                    caller = twilio.place_call(f"{first.serving.url}/twilio/voice", CALLER, CALLED)
                    assert await caller.wait_until(lambda: said(first, 1))
                async with a_server(tmp_path, listening=held.dup(), replaced=True) as second:
                    assert await caller.wait_until(lambda: said(second, 1))
                    caller.hang_up()
                    await caller.ended()
                    return first, second, [moment.what for moment in caller.timeline]

    first, second, moments = asyncio.run(main())
    back, begun = latest(tmp_path / "data" / FILE_NAME)

    assert moments.count("the stream starts") == 2
    # What Twilio asks waits for the successor; it is not answered by who goes.
    assert (moments.count("webhook"), moments.count("pause: 1 s")) == (2, 0)
    assert [ended.outcome for ended in first.ended] == ["stopped"]
    items = [message["item"] for message in second.model.of_type("conversation.item.create")]
    assert [item["role"] for item in items] == ["assistant", "system"]
    assert (begun.outcome, back.outcome, begun.call_sid) == ("stopped", "caller_hung_up", back.call_sid)
    assert isinstance(second.serving, Serving)
