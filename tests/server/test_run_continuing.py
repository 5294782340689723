"""A call whose stream is lost, through real sockets: the emulated Twilio asks what becomes of it, and it goes on."""

import asyncio
from pathlib import Path

from tests.server.test_run import Call, a_server
from tests.support.stored import latest
from tests.support.tiny_twilio import ACCOUNT_SID, FIELDS, TOKEN, webhook
from voice_agent.call.commands import AgentBegan, AgentSaid
from voice_agent.emulator.twilio import EmulatedTwilio
from voice_agent.server.continuing import MOST_TAKEN_UP
from voice_agent.sim.carrier import Switches
from voice_agent.store.checkpoints import Checkpoints
from voice_agent.store.database import FILE_NAME, Database
from voice_agent.wire import twiml

CALLER, CALLED = "+14255550199", "+14255550100"


def cut(call: Call) -> None:
    """Have the stream's connection drop, without a close frame."""
    (session,) = call.serving.reception.lobby.sessions.values()
    assert session._phone is not None
    session._phone._raw.abort()  # type: ignore[attr-defined]


def said(call: Call, times: int) -> bool:
    return sum(isinstance(report, AgentSaid) for _, report in call.reports) >= times


def greetings(call: Call) -> list[str]:
    return [message["response"]["instructions"] for message in call.model.of_type("response.create")]


def test_a_call_whose_connection_drops_goes_on_where_it_was(tmp_path: Path) -> None:
    async def main() -> tuple[Call, list[str]]:
        async with a_server(tmp_path) as call, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            caller = twilio.place_call(f"{call.serving.url}/twilio/voice", CALLER, CALLED)
            assert await caller.wait_until(lambda: said(call, 1))
            cut(call)
            assert await caller.wait_until(lambda: said(call, 2))
            caller.hang_up()
            await caller.ended()
            return call, [moment.what for moment in caller.timeline]

    call, moments = asyncio.run(main())
    back, first = latest(tmp_path / "data" / FILE_NAME)

    assert moments.count("the stream starts") == 2
    assert [ended.outcome for ended in call.ended] == ["stream_lost", "caller_hung_up"]
    items = [message["item"] for message in call.model.of_type("conversation.item.create")]
    assert [item["role"] for item in items] == ["assistant", "system"]
    assert items[-1]["content"][0]["text"].startswith("The line broke for a moment by a fault on our side, and is back")
    assert (first.outcome, back.outcome, first.call_sid) == ("stream_lost", "caller_hung_up", back.call_sid)
    assert call.serving.metrics.get("calls_taken_up") == 1


def test_what_followed_a_former_stream_of_a_call_ends_nothing_when_it_is_asked_once_more(tmp_path: Path) -> None:
    async def main() -> list[str]:
        async with a_server(tmp_path) as call, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            caller = twilio.place_call(f"{call.serving.url}/twilio/voice", CALLER, CALLED)
            assert await caller.wait_until(lambda: said(call, 1))
            cut(call)
            assert await caller.wait_until(lambda: said(call, 2))
            fields = {**FIELDS, "CallSid": caller.sid, "StreamSid": caller.streams[0].carrier.call.stream_sid}
            status, answer = await webhook(f"{call.serving.url}/twilio/after-stream", fields)

            assert (status, twiml.parse(answer)) == (200, [twiml.Hangup()])
            caller.hang_up()
            await caller.ended()
            return [ended.outcome for ended in call.ended]

    assert asyncio.run(main()) == ["stream_lost", "caller_hung_up"]


def test_a_call_that_is_lost_before_a_word_was_said_begins_anew(tmp_path: Path) -> None:
    async def main() -> Call:
        async with a_server(tmp_path) as call, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            caller = twilio.place_call(f"{call.serving.url}/twilio/voice", CALLER, CALLED)
            assert await caller.wait_until(lambda: any(isinstance(report, AgentBegan) for _, report in call.reports))
            cut(call)
            assert await caller.wait_until(lambda: len(greetings(call)) == 2)
            caller.hang_up()
            await caller.ended()
            return call

    call = asyncio.run(main())

    assert call.model.of_type("conversation.item.create") == []
    assert all("Hello!" in greeting for greeting in greetings(call))


def test_a_call_that_is_lost_time_and_again_is_given_up(tmp_path: Path) -> None:
    async def main() -> tuple[Call, int]:
        async with a_server(tmp_path) as call, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            caller = twilio.place_call(f"{call.serving.url}/twilio/voice", CALLER, CALLED)
            for times in range(MOST_TAKEN_UP + 1):
                assert await caller.wait_until(lambda times=times: said(call, times + 1))  # type: ignore[misc]
                cut(call)
            await caller.ended()
            return call, len(caller.streams)

    call, streams = asyncio.run(main())

    assert streams == MOST_TAKEN_UP + 1
    assert call.serving.metrics.get("calls_given_up") == 1


def test_what_a_call_needs_to_go_on_is_forgotten_when_the_carrier_says_that_it_is_over(tmp_path: Path) -> None:
    async def main() -> bool:
        async with a_server(tmp_path) as call, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            caller = twilio.place_call(
                f"{call.serving.url}/twilio/voice",
                CALLER,
                CALLED,
                status_callback=f"{call.serving.url}/twilio/status",
            )
            assert await caller.wait_until(lambda: said(call, 1))
            caller.hang_up()
            await caller.ended()
            sid = caller.sid
        async with Database(tmp_path / "data" / FILE_NAME) as database:
            return await Checkpoints(database).find(sid) is None

    assert asyncio.run(main())


def test_a_carrier_that_does_not_go_on_after_a_broken_stream_leaves_a_call_that_is_over(tmp_path: Path) -> None:
    async def main() -> Call:
        switches = Switches(action_after_abnormal_close=False)
        async with a_server(tmp_path) as call, EmulatedTwilio(ACCOUNT_SID, TOKEN, switches=switches) as twilio:
            caller = twilio.place_call(f"{call.serving.url}/twilio/voice", CALLER, CALLED)
            assert await caller.wait_until(lambda: said(call, 1))
            cut(call)
            await caller.ended()
            return call

    assert [ended.outcome for ended in asyncio.run(main()).ended] == ["stream_lost"]
