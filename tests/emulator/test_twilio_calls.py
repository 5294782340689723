"""Whole calls over real sockets: webhook, stream, action, callbacks, and the caller's side."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request

from tests.support.tiny_customer import ACCOUNT_SID, CALLED, CALLER, TOKEN, Answer, Stream, customer, stream_server, xml
from voice_agent.audio.dtmf import tones
from voice_agent.emulator.twilio import EmulatedCall, EmulatedTwilio, Moment, Post
from voice_agent.errors import CommandError
from voice_agent.sim.carrier import Switches

VOICE = b"\x90" * 8
"""A millisecond of it."""


def happened(call: EmulatedCall) -> list[str]:
    return [moment.what for moment in call.timeline]


def connect(url: str, inner: str = "", action: str = "") -> str:
    return f'<Connect action="{action}"><Stream url="{url}"{inner}</Stream></Connect>'


async def listen(stream: Stream) -> None:
    await stream.read("stop")


def within(main: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30):
            await main()

    asyncio.run(bounded())


def test_a_call_is_answered_streamed_and_followed_by_the_action() -> None:
    streams: list[Stream] = []

    async def talk(stream: Stream) -> None:
        streams.append(stream)
        await stream.play(VOICE * 100, mark="greeting")
        await stream.read("mark")
        await stream.socket.close()

    async def main() -> None:
        async with stream_server(talk) as url, customer() as server, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            server.answers = {
                "/voice": xml(connect(url, '><Parameter name="token" value="t"/>', "/after")),
                "/after": xml("<Say>Bye</Say><Hangup/>"),
            }
            call = twilio.place_call(f"{server.url}/voice", CALLER, CALLED)
            assert await call.streaming()
            await call.ended()

            (start,) = [message for message in streams[0].received if message["event"] == "start"]
            assert start["start"]["customParameters"] == {"token": "t"}
            assert (start["start"]["callSid"], start["start"]["accountSid"]) == (call.sid, ACCOUNT_SID)
            (webhook,), (action,) = server.at("/voice"), server.at("/after")
            assert webhook.signed
            assert webhook.fields["CallStatus"] == "ringing"
            assert (webhook.fields["From"], webhook.fields["To"]) == (CALLER, CALLED)
            assert action.signed
            assert action.fields["StreamSid"] == start["streamSid"]
            assert action.fields["CallStatus"] == "in-progress"
            assert happened(call)[-5:] == [
                "the stream ends",
                "webhook",
                "the carrier says",
                "the TwiML hangs up",
                "status",
            ]
            assert (call.status, call.held, call.warnings) == ("completed", True, [])
            assert call.agent_track.count(b"\x90") == 800

    within(main)


def test_the_keys_that_a_server_plays_are_heard() -> None:
    async def talk(stream: Stream) -> None:
        await stream.play(tones("4#1"), mark="keys")
        await stream.read("mark")
        await stream.socket.close()

    async def main() -> None:
        async with stream_server(talk) as url, customer() as server, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            server.answers = {"/voice": xml(connect(url, ">"))}
            call = twilio.place_call(f"{server.url}/voice", CALLER, CALLED)
            await call.ended()
            assert call.keys_heard == "4#1"

    within(main)


def test_frames_come_at_fifty_a_second_and_the_voice_arrives_whole() -> None:
    received = bytearray()
    frames: list[tuple[float, dict[str, Any]]] = []

    async def talk(stream: Stream) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(30):
            message = await stream.read("media")
            frames.append((loop.time(), message["media"]))
            received.extend(base64.b64decode(message["media"]["payload"]))
        await stream.read("stop")

    async def main() -> None:
        async with stream_server(talk) as url, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            call = twilio.place_stream(url, CALLER, CALLED, {"k": "v"})
            assert await call.streaming()
            call.say(VOICE * 100)
            assert await call.caller_finished(within_s=1)
            await call.wait_until(lambda: len(frames) == 30, within_s=2)

            assert received.count(VOICE[:1]) == 800
            assert [int(media["timestamp"]) for _, media in frames] == [20 * index for index in range(30)]
            span_ms = (frames[-1][0] - frames[0][0]) * 1000
            assert 29 * 20 - 60 < span_ms < 29 * 20 + 200  # the machine may be busy; frames must not pile up before
            call.hang_up()
            await call.ended()
            assert call.caller_track.count(VOICE[:1]) == 800
            assert len(call.caller_track) == len(call.agent_track)

    within(main)


def test_the_caller_hears_interrupts_and_presses() -> None:
    cleared = asyncio.Event()

    async def talk(stream: Stream) -> None:
        await stream.play(VOICE * 5000)
        assert (await stream.read("dtmf"))["dtmf"]["digit"] == "5"
        await stream.send("clear")
        cleared.set()
        await stream.read("stop")

    async def main() -> None:
        async with stream_server(talk) as url, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            call = twilio.place_stream(url, CALLER, CALLED)
            assert await call.agent_began()
            assert await call.agent_spoke(100)
            call.say(VOICE * 500)
            call.press("5")
            assert await call.agent_silent(100)
            call.stop_speaking()
            assert await call.caller_finished()
            assert not await call.agent_spoke(1000, within_s=0.01)
            call.hang_up()
            await call.ended()

            assert {"the agent speaks", "the agent is cut off", "the caller presses", "the agent is silent"} <= set(
                happened(call)
            )
            # Short pauses count as speech: on a busy machine there are some.
            assert 50 * 8 <= call.agent_track.count(VOICE[:1]) < 1000 * 8
            assert not await call.agent_began()
            call.say(VOICE)
            assert call.timeline[-1].what == "nobody hears"
            call.hang_up()
            assert happened(call).count("the caller hangs up") == 1

    within(main)


def test_status_and_stream_callbacks_are_signed_and_tell_the_calls_course() -> None:
    async def main() -> None:
        async with stream_server(listen) as url, customer() as server:
            server.answers = {
                "/voice": xml(connect(url, ' name="line" statusCallback="/stream">')),
                "/status": (204, "", ""),
                "/stream": (204, "", ""),
            }
            async with EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
                call = twilio.place_call(f"{server.url}/voice", CALLER, CALLED, status_callback=f"{server.url}/status")
                assert await call.streaming()
                call.hang_up()
                await call.ended()

            told = sorted(server.at("/status"), key=lambda asked: int(asked.fields["SequenceNumber"]))
            statuses = [asked.fields["CallStatus"] for asked in told]
            assert statuses == ["initiated", "ringing", "in-progress", "completed"]
            assert all(asked.signed for asked in server.asked)
            assert told[-1].fields["CallDuration"] == "0"
            assert told[0].fields["CallbackSource"] == "call-progress-events"
            assert {asked.fields["StreamEvent"] for asked in server.at("/stream")} == {
                "stream-started",
                "stream-stopped",
            }
            assert {asked.fields["StreamName"] for asked in server.at("/stream")} == {"line"}

    within(main)


def test_only_the_callbacks_that_are_asked_for_come_and_failing_ones_harm_nothing() -> None:
    async def main() -> None:
        async with customer({"/voice": xml(""), "/status": (500, "", "")}) as server:
            async with EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
                call = twilio.place_call(
                    f"{server.url}/voice",
                    CALLER,
                    CALLED,
                    status_callback=f"{server.url}/status",
                    status_events=["completed"],
                )
                silent = twilio.place_call(
                    f"{server.url}/voice", CALLER, CALLED, status_callback="http://127.0.0.1:9/none"
                )
                await call.ended()

            assert len(server.at("/status")) == 1
            assert [entry.code for entry in call.debugger] == [11200]
            assert {entry.code for entry in silent.debugger} == {11205}
            assert (call.status, silent.status, call.held) == ("completed", "completed", False)

    within(main)


def test_a_call_is_settled_when_its_callbacks_have_been_told() -> None:
    async def main() -> None:
        post = Post(delays_ms=(100,))
        async with EmulatedTwilio(ACCOUNT_SID, TOKEN, post=post) as twilio:
            async with customer({"/voice": xml(""), "/status": (204, "", "")}) as server:
                call = twilio.place_call(f"{server.url}/voice", CALLER, CALLED, status_callback=f"{server.url}/status")
                await call.ended()
                told_at_its_end = len(server.at("/status"))
                await call.settled()

            assert told_at_its_end < len(server.at("/status")) == 4
            assert call.warnings == []

    within(main)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((403, "text/plain", "not signed"), 11200),
        ((200, "application/json", "{}"), 12300),
        ((200, "", ""), 12300),
        ((200, "text/xml", "<Response>"), 12100),
    ],
)
def test_a_webhook_without_twiml_fails_the_call_with_twilios_number(answer: Answer, code: int) -> None:
    async def main() -> None:
        async with customer({"/voice": answer}) as server, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            call = twilio.place_call(f"{server.url}/voice", CALLER, CALLED)
            assert not await call.streaming()

            assert (call.status, [entry.code for entry in call.debugger]) == ("failed", [code])

    within(main)


def test_the_fallback_url_is_told_what_failed() -> None:
    async def main() -> None:
        async with customer({"/voice": (500, "", "broken"), "/fallback": xml("<Hangup/>")}) as server:
            async with EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
                call = twilio.place_call(f"{server.url}/voice", CALLER, CALLED, fallback_url=f"{server.url}/fallback")
                await call.ended()

            assert call.status == "completed"
            assert server.at("/fallback")[0].fields["ErrorCode"] == "11200"
            assert server.at("/fallback")[0].fields["ErrorUrl"] == f"{server.url}/voice"

    within(main)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("ws://example.com/media", 31922),
        ("ws://127.0.0.1:9/media", 31902),
        ("{http}/media", 31920),
    ],
)
def test_a_stream_that_cannot_be_opened_is_reported_and_the_twiml_goes_on(url: str, code: int) -> None:
    async def main() -> None:
        async with customer({"/stream": (204, "", "")}) as server, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            target = url.replace("{http}", server.url.replace("http", "ws"))
            server.answers["/voice"] = xml(connect(target, ' statusCallback="/stream">') + "<Dial>+14255550111</Dial>")
            call = twilio.place_call(f"{server.url}/voice", CALLER, CALLED)
            await call.ended()

            assert [entry.code for entry in call.warnings] == [code]
            assert call.dialled == ["+14255550111"]
            assert not call.held
        assert [asked.fields["StreamEvent"] for asked in server.at("/stream")] == ["stream-error"]

    within(main)


@pytest.mark.parametrize("goes_on", [False, True])
def test_what_follows_a_lost_stream_is_a_switch(goes_on: bool) -> None:
    async def talk(stream: Stream) -> None:
        stream.socket.transport.abort()

    async def main() -> None:
        switches = Switches(action_after_abnormal_close=goes_on)
        async with (
            stream_server(talk) as url,
            customer() as server,
            EmulatedTwilio(ACCOUNT_SID, TOKEN, switches=switches) as twilio,
        ):
            server.answers = {"/voice": xml(connect(url, ">", "/after")), "/after": xml("")}
            call = twilio.place_call(f"{server.url}/voice", CALLER, CALLED)
            await call.ended()

            assert [entry.code for entry in call.warnings] == [31921]
            assert len(server.at("/after")) == int(goes_on)

    within(main)


def test_leaving_the_block_hangs_up_and_ends_the_stream() -> None:
    events: list[str] = []

    async def talk(stream: Stream) -> None:
        await stream.socket.send(b"binary")
        await stream.read("stop")
        events.append("stop")

    async def main() -> None:
        async with stream_server(talk) as url:
            async with EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
                call = twilio.place_stream(url, CALLER, CALLED)
                assert await call.streaming()
                await call.wait_until(lambda: bool(call.warnings))
            assert (events, call.status) == (["stop"], "completed")
            assert [entry.code for entry in call.warnings] == [31950]

    within(main)


def test_a_caller_may_vanish_without_stop_and_close_frame() -> None:
    codes: list[int | None] = []

    async def talk(stream: Stream) -> None:
        await stream.socket.wait_closed()
        codes.append(stream.socket.close_code)

    async def main() -> None:
        async with stream_server(talk) as url, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            call = twilio.place_stream(url, CALLER, CALLED)
            await call.streaming()
            call.hang_up(with_stop=False, with_close=False)
            await call.ended()
        assert codes == [1006]

    within(main)


def test_an_exception_in_the_block_ends_everything_at_once_and_goes_on_as_it_is() -> None:
    async def hold() -> None:
        async with stream_server(listen) as url, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            call = twilio.place_stream(url, CALLER, CALLED)
            await call.streaming()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        within(hold)


def test_a_caller_who_hangs_up_while_the_stream_is_opened_never_streams() -> None:
    async def main() -> None:
        asked, gate = asyncio.Event(), asyncio.Event()

        async def hesitate(_: ServerConnection, __: Request) -> None:
            asked.set()
            await gate.wait()

        async with (
            serve(lambda socket: socket.wait_closed(), "127.0.0.1", 0, process_request=hesitate) as server,
            EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio,
        ):
            url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/"
            call = twilio.place_stream(url, CALLER, CALLED)
            await asked.wait()
            call.hang_up()
            gate.set()
            await call.ended()

            assert (call.held, call.status, call.warnings) == (False, "completed", [])

    within(main)


@pytest.mark.parametrize("broken", ["status", "the caller hangs up"])
def test_a_fault_in_a_call_is_not_swallowed(broken: str) -> None:
    def fail(moment: Moment) -> None:
        if moment.what == broken:
            raise ZeroDivisionError

    async def main() -> None:
        async with EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            twilio.place_stream("ws://127.0.0.1:9/", CALLER, CALLED, on_moment=fail)

    with pytest.raises((ExceptionGroup, ZeroDivisionError)):
        within(main)


def test_a_port_that_is_taken_is_said_in_one_line() -> None:
    async def main() -> None:
        async with EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            port = int(twilio.base_url.rpartition(":")[2])
            with pytest.raises(CommandError, match=f"cannot listen on 127.0.0.1:{port}"):
                async with EmulatedTwilio(ACCOUNT_SID, TOKEN, port=port):
                    pass

    within(main)
