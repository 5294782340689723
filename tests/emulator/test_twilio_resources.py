"""Numbers, messages and recordings of the emulated account, driven by the real `twilio` package."""

import asyncio
import inspect
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.base.exceptions import TwilioRestException
from twilio.rest.api.v2010.account.call import CallInstance
from twilio.rest.api.v2010.account.call.recording import RecordingInstance
from twilio.rest.api.v2010.account.incoming_phone_number import IncomingPhoneNumberInstance
from twilio.rest.api.v2010.account.message import MessageInstance

from tests.support.emulated_account import Rest, with_rest
from tests.support.tiny_customer import ACCOUNT_SID, CALLED, CALLER, Stream, customer, stream_server, xml
from voice_agent.emulator.twilio import EmulatedTwilio, IncomingNumber
from voice_agent.emulator.twilio.messages import SentMessage, segments
from voice_agent.emulator.twilio.recordings import CallRecording
from voice_agent.emulator.twilio.rest import resource_of_call

DESK = "+14255550150"

Question = Callable[[Any], Any]


def numbers() -> tuple[IncomingNumber, ...]:
    """Two of them, new ones for each test."""
    return (
        IncomingNumber(phone_number=CALLED),
        IncomingNumber(phone_number=DESK, friendly_name="desk", sms=False, voice_url="https://old.example/voice"),
    )


def refused(question: Question) -> tuple[int, int, str]:
    """What Twilio's package raises for a question: HTTP status, code, message."""
    errors: list[TwilioRestException] = []

    async def main(_: EmulatedTwilio, rest: Rest) -> None:
        with pytest.raises(TwilioRestException) as caught:
            await rest(question)
        errors.append(caught.value)

    with_rest(main, numbers=numbers())
    return errors[0].status, errors[0].code, str(errors[0].msg)


async def until_stop(stream: Stream) -> None:
    await stream.read("stop")


# --- the form --------------------------------------------------------------------------------------------------------


def read_by_the_package(instance: type[Any]) -> set[str]:
    """Which fields of a resource Twilio's own package knows."""
    return set(re.findall(r'payload\.get\(\s*"(\w+)"', inspect.getsource(instance.__init__)))


def test_every_field_that_the_package_knows_is_there() -> None:
    async def main(twilio: EmulatedTwilio, _: Rest) -> None:
        call = twilio.place_call("http://127.0.0.1:9/", CALLER, CALLED)
        shown = {
            IncomingPhoneNumberInstance: numbers()[0].resource(ACCOUNT_SID),
            MessageInstance: SentMessage(to=CALLER, from_=CALLED, body="Hi").resource(ACCOUNT_SID),
            RecordingInstance: CallRecording(call=call).resource(ACCOUNT_SID),
            CallInstance: resource_of_call(ACCOUNT_SID, call, None),
        }
        await call.ended()

        for instance, resource in shown.items():
            assert read_by_the_package(instance) - set(resource) == set(), instance

    with_rest(main)


def test_a_list_is_read_page_by_page() -> None:
    many = [IncomingNumber(phone_number=f"+1425555{number:04}") for number in range(7)]

    async def main(_: EmulatedTwilio, rest: Rest) -> None:
        found = await rest(lambda client: client.incoming_phone_numbers.list(page_size=3))
        page = await rest(lambda client: client.incoming_phone_numbers.page(page_size=3, page_number=2))

        assert [number.phone_number for number in found] == [number.phone_number for number in many]
        assert [number.phone_number for number in page] == ["+14255550006"]
        assert page.next_page_url is None
        assert "Page=1" in page.previous_page_url

    with_rest(main, numbers=many)


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_a_number_shows_where_it_points() -> None:
    async def main(_: EmulatedTwilio, rest: Rest) -> None:
        first, desk = await rest(lambda client: client.incoming_phone_numbers.list())
        fetched = await rest(lambda client: client.incoming_phone_numbers(desk.sid).fetch())

        assert (first.phone_number, first.friendly_name) == (CALLED, "(425) 555-0100")
        assert first.voice_url == "https://demo.twilio.com/welcome/voice/"
        assert (desk.friendly_name, desk.voice_url, desk.voice_method) == ("desk", "https://old.example/voice", "POST")
        assert (first.capabilities["sms"], desk.capabilities["sms"], desk.capabilities["voice"]) == (True, False, True)
        assert (fetched.sid, fetched.uri) == (
            desk.sid,
            f"/2010-04-01/Accounts/{ACCOUNT_SID}/IncomingPhoneNumbers/{desk.sid}.json",
        )
        assert abs((datetime.now(UTC) - fetched.date_created).total_seconds()) < 60
        assert (fetched.trunk_sid, fetched.voice_application_sid, fetched.status_callback) == (None, "", "")

    with_rest(main, numbers=numbers())


def test_a_number_is_bought_once_and_a_name_is_none() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        for number in (CALLED, DESK, DESK, "", "client:ann"):
            twilio.buy(number)

        assert [number.phone_number for number in await rest(lambda client: client.incoming_phone_numbers.list())] == [
            CALLED,
            DESK,
        ]

    with_rest(main)


@pytest.mark.parametrize(
    ("wanted", "found"), [({"phone_number": DESK}, 1), ({"phone_number": "0***"}, 2), ({"friendly_name": "desk"}, 1)]
)
def test_numbers_are_found_by_a_part_or_by_name(wanted: dict[str, str], found: int) -> None:
    async def main(_: EmulatedTwilio, rest: Rest) -> None:
        assert len(await rest(lambda client: client.incoming_phone_numbers.list(**wanted))) == found

    with_rest(main, numbers=numbers())


def test_a_number_is_pointed_elsewhere_and_rings_there() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        async with customer({"/voice": xml("<Hangup/>"), "/status": (204, "", "")}) as server:
            sid = next(iter(twilio.holdings.numbers))
            updated = await rest(
                lambda client: client.incoming_phone_numbers(sid).update(
                    voice_url=f"{server.url}/voice",
                    voice_fallback_url="https://b.example/",
                    status_callback=f"{server.url}/status",
                )
            )
            call = twilio.ring(CALLED, CALLER)
            await call.ended()
            shown = await rest(lambda client: client.calls(call.sid).fetch())

        assert (updated.voice_url, updated.voice_fallback_url) == (f"{server.url}/voice", "https://b.example/")
        assert (server.asked[0].path, server.asked[0].fields["To"]) == ("/voice", CALLED)
        assert shown.phone_number_sid == sid

    with_rest(main, numbers=numbers())


def test_an_update_changes_what_it_names_and_may_empty_it() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        sid = list(twilio.holdings.numbers)[1]
        updated = await rest(
            lambda client: client.incoming_phone_numbers(sid).update(
                voice_url="", friendly_name="front", voice_caller_id_lookup=True
            )
        )

        assert (updated.voice_url, updated.friendly_name, updated.voice_caller_id_lookup) == ("", "front", True)
        assert updated.voice_method == "POST"

    with_rest(main, numbers=numbers())


def test_either_a_trunk_or_an_application_takes_the_calls() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        number = twilio.holdings.numbers[next(iter(twilio.holdings.numbers))]

        async def update(**fields: str) -> tuple[Any, Any]:
            updated = await rest(lambda client: client.incoming_phone_numbers(number.sid).update(**fields))
            return updated.trunk_sid, updated.voice_application_sid

        assert await update(voice_application_sid="AP1") == (None, "AP1")
        assert await update(trunk_sid="TK1") == ("TK1", "")
        assert await update(voice_application_sid="AP2") == (None, "AP2")

    with_rest(main, numbers=numbers())


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"voice_url": "not-a-url"}, 21402, "VoiceUrl is not valid: not-a-url"),
        ({"status_callback": "ftp://a.example"}, 21402, "StatusCallback is not valid: ftp://a.example"),
        ({"voice_method": "PUT"}, 21403, "VoiceMethod is not valid: PUT"),
    ],
)
def test_an_update_that_is_refused_changes_nothing(fields: dict[str, str], code: int, message: str) -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        number = twilio.holdings.numbers[next(iter(twilio.holdings.numbers))]
        before = number.resource(ACCOUNT_SID)
        with pytest.raises(TwilioRestException) as caught:
            await rest(lambda client: client.incoming_phone_numbers(number.sid).update(friendly_name="x", **fields))
        assert (caught.value.status, caught.value.code) == (400, code)
        assert message in caught.value.msg
        assert number.resource(ACCOUNT_SID) == before

    with_rest(main, numbers=numbers())


def test_a_number_that_the_account_does_not_have_is_not_found() -> None:
    assert refused(lambda client: client.incoming_phone_numbers("PN1").update(friendly_name="x"))[:2] == (404, 20404)


# --- messages --------------------------------------------------------------------------------------------------------


def test_a_message_is_queued_and_then_delivered() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        sent = await rest(lambda client: client.messages.create(to=CALLER, from_=CALLED, body="See you at 9."))
        later = await rest(lambda client: client.messages(sent.sid).fetch())
        listed = await rest(lambda client: client.messages.list(to=CALLER))

        assert (sent.to, sent.from_, sent.body, sent.status) == (CALLER, CALLED, "See you at 9.", "queued")
        assert (sent.direction, sent.num_segments, sent.num_media, sent.price) == ("outbound-api", "1", "0", None)
        assert (sent.date_sent, later.status, later.error_code) == (None, "delivered", None)
        assert later.date_sent is not None
        assert [message.sid for message in listed] == [sent.sid]
        assert await rest(lambda client: client.messages.list(from_=CALLER)) == []
        assert [message.body for message in twilio.holdings.messages.values()] == ["See you at 9."]

    with_rest(main, numbers=numbers())


def sending(**changed: str) -> Question:
    fields = {"to": CALLER, "from_": CALLED, "body": "Hi"} | changed
    return lambda client: client.messages.create(**{name: value for name, value in fields.items() if value})


@pytest.mark.parametrize(
    ("question", "code", "message"),
    [
        (sending(from_=""), 21603, "A 'From' phone number is required."),
        (sending(body=""), 21602, "Message body is required."),
        (sending(body="x" * 1601), 21617, "exceeds the 1600 character limit"),
        (sending(to="911"), 21211, "Invalid 'To' Phone Number: 911"),
        (sending(to=CALLED), 21266, "'To' and 'From' number cannot be the same"),
        (sending(from_="+14255559999"), 21659, "is not a Twilio phone number"),
        (sending(from_=DESK), 21661, "is not SMS-capable"),
        (sending(to="+15005550001"), 21211, "Invalid 'To' Phone Number: +15005550001"),
        (sending(to="+15005550003"), 21408, "Permission to send an SMS has not been enabled"),
        (sending(to="+15005550004"), 21610, "unsubscribed recipient"),
        (sending(to="+15005550009"), 21614, "is not a mobile number"),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused_as_twilio_does(question: Question, code: int, message: str) -> None:
    status, given, said = refused(question)

    assert (status, given) == (400, code)
    assert message in said


@given(st.text(st.sampled_from("abc é€"), max_size=400))
def test_a_message_has_as_many_parts_as_fit_its_characters(body: str) -> None:
    units = sum(2 if sign == "€" else 1 for sign in body)

    assert segments(body) == (1 if units <= 160 else -(-units // 153))
    assert segments(body + "ш") == (1 if len(body) < 70 else -(-(len(body) + 1) // 67))


# --- recordings ------------------------------------------------------------------------------------------------------


def test_a_recording_is_begun_paused_and_stopped() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        async with stream_server(until_stop) as url:
            call = twilio.place_stream(url, CALLER, CALLED)
            await call.streaming()
            began_s = asyncio.get_running_loop().time()
            begun = await rest(lambda client: client.calls(call.sid).recordings.create(recording_channels="dual"))

            def current(client: Any) -> Any:
                return client.calls(call.sid).recordings("Twilio.CURRENT")

            paused = await rest(lambda client: current(client).update(status="paused", pause_behavior="skip"))
            known = await rest(lambda client: current(client).fetch())
            resumed = await rest(lambda client: current(client).update(status="in-progress"))
            stopped = await rest(lambda client: current(client).update(status="stopped"))
            took_s = asyncio.get_running_loop().time() - began_s
            listed = await rest(lambda client: client.calls(call.sid).recordings.list())
            call.hang_up()
            await call.ended()

        assert (begun.status, begun.source, begun.channels, begun.track) == (
            "in-progress",
            "StartCallRecordingAPI",
            2,
            "both",
        )
        assert (begun.call_sid, begun.duration, begun.price) == (call.sid, None, None)
        assert (paused.status, known.status, resumed.status, stopped.status) == (
            "paused",
            "paused",
            "in-progress",
            "stopped",
        )
        ((sid, status, duration),) = ((each.sid, each.status, each.duration) for each in listed)
        assert (sid, status) == (begun.sid, "completed")
        assert 0 <= int(duration) <= round(took_s)

    with_rest(main)


def test_a_recording_ends_with_its_call() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        async with stream_server(until_stop) as url:
            call = twilio.place_stream(url, CALLER, CALLED)
            await call.streaming()
            begun = await rest(lambda client: client.calls(call.sid).recordings.create())
            call.hang_up()
            await call.ended()
        after = await rest(lambda client: client.calls(call.sid).recordings(begun.sid).fetch())
        with pytest.raises(TwilioRestException) as late:
            await rest(lambda client: client.calls(call.sid).recordings(begun.sid).update(status="paused"))
        with pytest.raises(TwilioRestException) as later:
            await rest(lambda client: client.calls(call.sid).recordings.create())
        with pytest.raises(TwilioRestException) as none:
            await rest(lambda client: client.calls(call.sid).recordings("Twilio.CURRENT").fetch())

        assert (begun.channels, after.status) == (1, "completed")
        assert (late.value.code, later.value.code, none.value.code) == (21220, 21220, 20404)
        assert "not eligible for recording" in later.value.msg

    with_rest(main)


def test_an_order_that_no_recording_knows_is_refused() -> None:
    async def main(twilio: EmulatedTwilio, rest: Rest) -> None:
        async with stream_server(until_stop) as url:
            call = twilio.place_stream(url, CALLER, CALLED)
            await call.streaming()
            begun = await rest(lambda client: client.calls(call.sid).recordings.create())
            for order in (
                lambda client: client.calls(call.sid).recordings(begun.sid).update(status="louder"),
                lambda client: client.calls(call.sid).recordings.create(recording_channels="stereo"),
            ):
                with pytest.raises(TwilioRestException) as refusal:
                    await rest(order)
                assert (refusal.value.status, refusal.value.code) == (400, 20001)
            call.hang_up()
            await call.ended()

    with_rest(main)
