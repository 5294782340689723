"""The REST API, driven by the real `twilio` package."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.support.emulated_account import Rest, with_rest
from tests.support.tiny_customer import ACCOUNT_SID, CALLED, CALLER, Stream, customer, stream_server, xml
from voice_agent.emulator.twilio import EmulatedTwilio


async def until_stop(stream: Stream) -> None:
    await stream.read("stop")


def test_the_account_and_its_calls_can_be_looked_at() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        async with stream_server(until_stop) as url:
            first = twilio.place_stream(url, CALLER, CALLED)
            await first.streaming()
            account = await rest(lambda client: client.api.v2010.accounts(ACCOUNT_SID).fetch())
            fetched = await rest(lambda client: client.calls(first.sid).fetch())
            listed = await rest(lambda client: client.calls.list())
            first.hang_up()
            await first.ended()
            after = await rest(lambda client: client.calls(first.sid).fetch())

        assert (account.sid, account.status, account.type) == (ACCOUNT_SID, "active", "Full")
        assert (fetched.sid, fetched.status, fetched.to, fetched.duration) == (first.sid, "in-progress", CALLED, None)
        assert fetched.start_time is not None
        assert [call.sid for call in listed] == [first.sid]
        assert (after.status, after.duration) == ("completed", "0")
        assert after.end_time is not None

    with_rest(main)


def test_a_call_is_ended_and_its_stream_gets_stop() -> None:
    streams: list[Stream] = []

    async def talk(stream: Stream) -> None:
        streams.append(stream)
        await stream.read("stop")

    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        async with stream_server(talk) as url:
            call = twilio.place_stream(url, CALLER, CALLED)
            await call.streaming()
            ended = await rest(lambda client: client.calls(call.sid).update(status="completed"))
            await call.ended()

        assert (ended.status, call.status) == ("completed", "completed")
        assert streams[0].received[-1]["event"] == "stop"
        assert call.streams[0].ended is not None
        assert call.streams[0].ended.reason == "ended_by_rest"

    with_rest(main)


@pytest.mark.parametrize("order", [{"status": "completed"}, {"twiml": "<Response/>"}, {"status": "canceled"}])
def test_a_call_that_is_over_cannot_be_changed(order: dict[str, str]) -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        call = twilio.place_call("http://127.0.0.1:9/", CALLER, CALLED)
        await call.ended()
        with pytest.raises(TwilioRestException) as refused:
            await rest(lambda client: client.calls(call.sid).update(**order))
        assert (refused.value.status, refused.value.code) == (400, 21220)
        assert (await rest(lambda client: client.calls(call.sid).update())).status == "failed"

    with_rest(main)


def test_a_ringing_call_can_be_cancelled_and_an_answered_one_cannot() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        gate = asyncio.Event()

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await gate.wait()
            writer.write(b"HTTP/1.1 200 x\r\nContent-Type: text/xml\r\n\r\n<Response/>")
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(slow, "127.0.0.1", 0)
        async with stream_server(until_stop) as url, server:
            ringing = twilio.place_call(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", CALLER, CALLED)
            answered = twilio.place_stream(url, CALLER, CALLED)
            await answered.streaming()
            with pytest.raises(TwilioRestException) as refused:
                await rest(lambda client: client.calls(answered.sid).update(status="canceled"))
            cancelled = await rest(lambda client: client.calls(ringing.sid).update(status="canceled"))
            gate.set()
            await ringing.ended()
            answered.hang_up()
            await answered.ended()

        assert refused.value.code == 21220
        assert (cancelled.status, ringing.status) == ("canceled", "canceled")

    with_rest(main)


@pytest.mark.parametrize("by_url", [False, True])
def test_a_redirected_call_leaves_its_stream_and_runs_the_other_twiml(by_url: bool) -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        async with (
            stream_server(until_stop) as url,
            customer({"/transfer": xml("<Dial>+14255550111</Dial>")}) as server,
        ):
            call = twilio.place_stream(url, CALLER, CALLED)
            await call.streaming()
            order = (
                {"url": f"{server.url}/transfer", "method": "GET"}
                if by_url
                else {"twiml": "<Response><Dial>+14255550111</Dial></Response>"}
            )
            updated = await rest(lambda client: client.calls(call.sid).update(**order))
            await call.ended()

            assert updated.status == "in-progress"
            assert (call.dialled, call.status) == (["+14255550111"], "completed")
            assert call.streams[0].ended is not None
            assert call.streams[0].ended.reason == "redirected"
            assert [asked.method for asked in server.asked] == (["GET"] if by_url else [])

    with_rest(main)


def test_twiml_that_cannot_be_read_ends_the_call_with_an_error() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        async with stream_server(until_stop) as url:
            call = twilio.place_stream(url, CALLER, CALLED)
            await call.streaming()
            await rest(lambda client: client.calls(call.sid).update(twiml="<Response>"))
            await call.ended()

        assert [entry.code for entry in call.debugger] == [12100]

    with_rest(main)


@pytest.mark.parametrize(
    ("question", "status", "code"),
    [
        (lambda client: client.calls("CA404").fetch(), 404, 20404),
        (lambda client: client.calls("CA404").update(status="completed"), 404, 20404),
        (lambda client: client.api.v2010.accounts("AC404").calls("CA1").fetch(), 404, 20404),
        (lambda client: client.messages("SM1").fetch(), 404, 20404),
    ],
)
def test_what_does_not_exist_is_20404(question: Callable[[Any], Any], status: int, code: int) -> None:
    async def main(_: EmulatedTwilio, rest: Rest) -> None:
        with pytest.raises(TwilioRestException) as refused:
            await rest(question)
        assert (refused.value.status, refused.value.code) == (status, code)

    with_rest(main)


@pytest.mark.parametrize("order", [{"status": "paused"}, {"url": "http://a", "twiml": "<Response/>"}])
def test_an_order_that_makes_no_sense_is_refused(order: dict[str, str]) -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        call = twilio.place_call("http://127.0.0.1:9/", CALLER, CALLED)
        with pytest.raises(TwilioRestException) as refused:
            await rest(lambda client: client.calls(call.sid).update(**order))
        assert (refused.value.status, refused.value.code) == (400, 20001)

    with_rest(main)


def test_wrong_credentials_are_20003() -> None:
    async def main(_: EmulatedTwilio, rest: Rest) -> None:
        with pytest.raises(TwilioRestException) as refused:
            await rest(lambda client: client.calls("CA1").fetch())
        assert (refused.value.status, refused.value.code) == (401, 20003)

    with_rest(main, token="f" * 32)


@pytest.mark.parametrize("header", ["", "Bearer x", "Basic %%%", "Basic YTpi"])
def test_a_request_without_proper_credentials_is_refused(header: str) -> None:
    async def main(twilio: EmulatedTwilio, _: Rest) -> None:
        parts = urlsplit(twilio.base_url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        authorization = f"Authorization: {header}\r\n" if header else ""
        path = f"/2010-04-01/Accounts/{ACCOUNT_SID}.json"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n{authorization}Connection: close\r\n\r\n".encode())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        assert answer.startswith(b"HTTP/1.1 401")

    with_rest(main)
