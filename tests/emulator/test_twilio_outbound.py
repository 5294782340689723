"""Calls that the REST API places, driven by the real `twilio` package: who is called, and what they are found to be."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from twilio.base.exceptions import TwilioRestException

from tests.support.emulated_account import Rest, emulated_account
from tests.support.tiny_customer import CALLED, Asked, Customer, Stream, customer, stream_server, xml
from voice_agent.emulator.twilio import BEEP, Callee, EmulatedCall, EmulatedTwilio, IncomingNumber, Post, Verdict
from voice_agent.emulator.twilio.callee import Detection
from voice_agent.wire.twiml import connect_stream

ANA = "+14255550123"
VOICE = b"\x90" * 8
"""A millisecond of it."""

Main = Callable[[EmulatedTwilio, Rest, Customer], Awaitable[None]]


async def until_stop(stream: Stream) -> None:
    await stream.read("stop")


def dialling(main: Main, callee: Callee | None = None, post: Post | None = None) -> None:
    """Run with an account of one number, a server for its webhooks, and this one at every number that is called."""

    async def run() -> None:
        async with (
            asyncio.timeout(30),
            customer({"/status": (204, "", ""), "/amd": (204, "", "")}) as server,
            emulated_account(
                numbers=[IncomingNumber(phone_number=CALLED)], callees=lambda _: callee or Callee(), post=post
            ) as (twilio, rest),
        ):
            await main(twilio, rest, server)

    asyncio.run(run())


def order(server: Customer, **more: Any) -> dict[str, Any]:
    return {
        "to": ANA,
        "from_": CALLED,
        "url": f"{server.url}/voice?agent=reminder",
        "status_callback": f"{server.url}/status",
        "status_callback_event": ["initiated", "ringing", "answered", "completed"],
    } | more


def create(wanted: dict[str, Any], client: Any) -> Any:
    return client.calls.create(**wanted)


def asynchronous(server: Customer, mode: str = "Enable") -> dict[str, str]:
    return {"machine_detection": mode, "async_amd": "true", "async_amd_status_callback": f"{server.url}/amd"}


def statuses(asked: list[Asked]) -> list[str]:
    return [one.fields["CallStatus"] for one in sorted(asked, key=lambda one: int(one.fields["SequenceNumber"]))]


def test_a_call_is_placed_rings_is_answered_and_streams() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest, server: Customer) -> None:
        async with stream_server(until_stop) as url:
            server.answers["/voice"] = xml(f'<Connect><Stream url="{url}"/></Connect>')
            created = await rest(lambda client: client.calls.create(**order(server)))
            call = twilio.calls[created.sid]
            assert (created.status, created.direction, created.to) == ("queued", "outbound-api", ANA)
            assert await call.streaming()
            going_on = await rest(lambda client: client.calls(created.sid).fetch())
            assert (going_on.status, going_on.direction, going_on.answered_by) == ("in-progress", "outbound-api", None)
            call.hang_up()
            await call.ended()

            (asked,) = server.at("/voice")
            assert (asked.fields["CallStatus"], asked.fields["Direction"]) == ("in-progress", "outbound-api")
            assert (asked.fields["From"], asked.fields["To"], asked.fields["agent"]) == (CALLED, ANA, "reminder")
            callbacks = await server.told("/status", 4)
            assert statuses(callbacks) == ["initiated", "ringing", "in-progress", "completed"]
            assert all(one.signed for one in server.asked)
            assert "the callee hangs up" in [moment.what for moment in call.timeline]

    dialling(main)


@pytest.mark.parametrize("becomes", ["busy", "no-answer", "failed"])
def test_a_call_that_nobody_takes_asks_for_no_twiml_and_says_so(becomes: Any) -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest, server: Customer) -> None:
        created = await rest(lambda client: client.calls.create(**order(server)))
        await twilio.calls[created.sid].ended()

        assert statuses(await server.told("/status", 3)) == ["initiated", "ringing", becomes]
        assert server.at("/voice") == []
        found = await rest(lambda client: client.calls(created.sid).fetch())
        assert (found.status, found.duration) == (becomes, "0")

    dialling(main, Callee(becomes=becomes))


def test_a_phone_that_rings_for_longer_than_wanted_is_not_answered() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest, server: Customer) -> None:
        created = await rest(lambda client: client.calls.create(**order(server, timeout=1)))
        await twilio.calls[created.sid].ended()

        assert twilio.calls[created.sid].status == "no-answer"

    dialling(main, Callee(rings_ms=60_000))


@pytest.mark.parametrize("status", ["canceled", "completed"])
def test_a_ringing_call_can_be_canceled(status: str) -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest, server: Customer) -> None:
        created = await rest(lambda client: client.calls.create(**order(server)))
        await rest(lambda client: client.calls(created.sid).update(status=status))
        await twilio.calls[created.sid].ended()

        assert twilio.calls[created.sid].status == "canceled"
        assert statuses(await server.told("/status", 3))[-1] == "canceled"

    dialling(main, Callee(rings_ms=60_000))


def test_twiml_may_come_with_the_order_and_only_the_end_is_told_unless_more_is_wanted() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest, server: Customer) -> None:
        async with stream_server(until_stop) as url:
            wanted = {
                "to": ANA,
                "from_": CALLED,
                "twiml": connect_stream(url, {"token": "t"}, f"{server.url}/after"),
                "status_callback": f"{server.url}/status",
            }
            created = await rest(lambda client: client.calls.create(**wanted))
            call = twilio.calls[created.sid]
            assert await call.streaming()
            call.hang_up()
            await call.ended()

            assert statuses(await server.told("/status", 1)) == ["completed"]

    dialling(main)


def test_what_a_machine_says_before_anybody_streams_is_lost_and_then_it_hangs_up() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest, server: Customer) -> None:
        async with stream_server(until_stop) as url:
            server.answers["/voice"] = xml(f'<Say>Hello</Say><Connect><Stream url="{url}"/></Connect>')
            created = await rest(lambda client: client.calls.create(**order(server)))
            call = twilio.calls[created.sid]
            await call.ended()

            heard_ms = call.caller_track.count(VOICE[:1]) // 8
            assert 0 < heard_ms < 1200  # of 1500, for a word was said before
            assert BEEP[:800] in call.caller_track
            assert call.status == "completed"

    dialling(main, Callee(is_a="machine", greeting=VOICE * 1500, records_ms=50))


def test_a_callee_may_act() -> None:
    pressed: list[str] = []

    async def listen(stream: Stream) -> None:
        pressed.append((await stream.read("dtmf"))["dtmf"]["digit"])
        await stream.read("stop")

    async def press(call: EmulatedCall) -> None:
        call.press("1")
        await call.wait_until(lambda: bool(pressed))
        call.hang_up()

    async def main(twilio: EmulatedTwilio, rest: Rest, server: Customer) -> None:
        async with stream_server(listen) as url:
            server.answers["/voice"] = xml(f'<Connect><Stream url="{url}"/></Connect>')
            created = await rest(lambda client: client.calls.create(**order(server)))
            await twilio.calls[created.sid].ended()
        assert pressed == ["1"]

    dialling(main, Callee(acts=press))


# --- the detection of answering machines -----------------------------------------------------------------------------

HELLO, LONG = VOICE * 700, VOICE * 4000


@pytest.mark.parametrize(
    ("callee", "mode", "found"),
    [
        (Callee(greeting=HELLO), "Enable", Verdict(1900, "human")),
        (Callee(greeting=HELLO), "DetectMessageEnd", Verdict(1900, "human")),
        (Callee(), "Enable", Verdict(5000, "unknown")),
        (Callee(is_a="machine", greeting=LONG), "Enable", Verdict(2400, "machine_start")),
        (Callee(is_a="machine", greeting=LONG), "DetectMessageEnd", Verdict(4400, "machine_end_beep")),
        (
            Callee(is_a="machine", greeting=LONG, beeps=False),
            "DetectMessageEnd",
            Verdict(5200, "machine_end_silence"),
        ),
        (Callee(is_a="machine", greeting=LONG * 8), "DetectMessageEnd", Verdict(30_000, "unknown")),
        (Callee(is_a="fax"), "Enable", Verdict(1500, "fax")),
    ],
)
def test_what_is_heard_first_tells_who_answered(callee: Callee, mode: Any, found: Verdict) -> None:
    assert callee.verdict(Detection(mode=mode)) == (found,)


def test_the_detection_is_told_while_the_call_goes_on_and_kept_with_the_call() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest, server: Customer) -> None:
        async with stream_server(until_stop) as url:
            server.answers["/voice"] = xml(f'<Connect><Stream url="{url}"/></Connect>')
            created = await rest(lambda client: client.calls.create(**order(server, **asynchronous(server))))
            call = twilio.calls[created.sid]
            assert await call.streaming()
            (verdict,) = await server.told("/amd", 1)
            found = await rest(lambda client: client.calls(created.sid).fetch())

            assert found.answered_by == verdict.fields["AnsweredBy"] == "machine_start"
            assert (verdict.fields["CallSid"], verdict.signed) == (created.sid, True)
            assert verdict.fields["MachineDetectionDuration"] == "50"
            assert "AnsweredBy" not in server.at("/voice")[0].fields

    dialling(main, Callee(is_a="machine", greeting=VOICE * 50))


def test_without_a_callback_the_first_request_waits_for_the_verdict() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest, server: Customer) -> None:
        server.answers["/voice"] = xml("<Hangup/>")
        created = await rest(lambda client: client.calls.create(**order(server, machine_detection="Enable")))
        await twilio.calls[created.sid].ended()

        assert server.at("/voice")[0].fields["AnsweredBy"] == "machine_start"

    dialling(main, Callee(is_a="machine", greeting=VOICE * 50))


def test_a_call_that_is_over_has_nothing_to_be_detected() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest, server: Customer) -> None:
        server.answers["/voice"] = xml("<Hangup/>")
        created = await rest(lambda client: client.calls.create(**order(server, **asynchronous(server))))
        await twilio.calls[created.sid].ended()
        await server.told("/status", 4)

        assert server.at("/amd") == []

    dialling(main, Callee(greeting=HELLO))


def test_callbacks_can_be_late_repeated_and_out_of_order() -> None:
    verdicts = (Verdict(0, "machine_end_beep"), Verdict(30, "machine_start"), Verdict(60, "human"))

    async def main(twilio: EmulatedTwilio, rest: Rest, server: Customer) -> None:
        server.answers["/voice"] = xml("<Hangup/>")
        created = await rest(lambda client: client.calls.create(**order(server, **asynchronous(server))))
        await twilio.calls[created.sid].ended()

        callbacks = await server.told("/status", 8)
        numbers = [int(one.fields["SequenceNumber"]) for one in callbacks]
        assert sorted(numbers) == [0, 0, 1, 1, 2, 2, 3, 3]
        assert numbers != sorted(numbers)
        found = [one.fields["AnsweredBy"] for one in await server.told("/amd", 6)]
        assert sorted(found) == sorted([verdict.answered_by for verdict in verdicts] * 2)

    dialling(main, Callee(verdicts=verdicts), Post(times=2, delays_ms=(80, 0)))


def test_digits_for_a_menu_switch_the_detection_off() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest, server: Customer) -> None:
        server.answers["/voice"] = xml("<Hangup/>")
        wanted = order(server, send_digits="ww1", **asynchronous(server))
        created = await rest(lambda client: client.calls.create(**wanted))
        await twilio.calls[created.sid].ended()

        assert twilio.calls[created.sid].order.detection is None

    dialling(main)


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"to": ""}, 21201),
        ({"from_": ""}, 21213),
        ({"to": "4255550123"}, 21211),
        ({"to": "+15005550001"}, 21217),
        ({"to": "+15005550002"}, 21214),
        ({"to": "+15005550003"}, 21215),
        ({"to": "+15005550004"}, 21216),
        ({"from_": "+15005550001"}, 21212),
        ({"from_": "+14255550777"}, 21210),
        ({"url": "voice"}, 21205),
        ({"url": ""}, 21205),
        ({"url": "", "twiml": "<Response>"}, 12100),
        ({"url": "", "twiml": "<Response>" + " " * 4000 + "</Response>"}, 20001),
        ({"fallback_url": "voice"}, 21205),
        ({"status_callback": "/status"}, 21609),
        ({"status_callback_event": ["answered", "hung-up"]}, 20001),
        ({"timeout": 601}, 20001),
        ({"send_digits": "12x"}, 20001),
        ({"send_digits": "1" * 33}, 20001),
        ({"machine_detection": "Yes"}, 21263),
        ({"machine_detection": "Enable", "machine_detection_timeout": 2}, 21263),
        ({"machine_detection": "Enable", "async_amd": "true"}, 21262),
    ],
)
def test_an_order_that_cannot_be_is_refused_with_twilios_number(change: dict[str, Any], code: int) -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest, server: Customer) -> None:
        with pytest.raises(TwilioRestException) as refused:
            await rest(lambda client: client.calls.create(**order(server, **change)))

        assert (refused.value.status, refused.value.code) == (400, code)
        assert twilio.calls == {}

    dialling(main)


def test_calls_are_found_by_the_numbers_and_the_status() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest, server: Customer) -> None:
        for to in (ANA, ANA, "+14255550124"):
            wanted = order(server, to=to)
            await rest(partial(create, wanted))
        for call in twilio.calls.values():
            await call.ended()
        found = await rest(lambda client: client.calls.list(to=ANA, from_=CALLED, status="busy"))
        none = await rest(lambda client: client.calls.list(to=ANA, status="completed"))

        assert [call.sid for call in found] == list(twilio.calls)[1::-1]
        assert none == []

    dialling(main, Callee(becomes="busy"))
