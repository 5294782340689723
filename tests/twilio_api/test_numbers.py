"""Against the emulated account."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.tiny_customer import ACCOUNT_SID, CALLED, TOKEN
from tests.support.twilio_rest import fake_rest
from voice_agent.emulator.twilio import EmulatedTwilio, IncomingNumber
from voice_agent.errors import PeerError
from voice_agent.twilio_api.numbers import Number, NumbersApi, Pointing


def with_numbers(main: Callable[[NumbersApi, EmulatedTwilio], Awaitable[None]], *numbers: IncomingNumber) -> None:
    async def run() -> None:
        async with asyncio.timeout(30), EmulatedTwilio(ACCOUNT_SID, TOKEN, numbers=numbers) as twilio:
            api = NumbersApi(ACCOUNT_SID, ACCOUNT_SID, TOKEN, twilio.base_url)
            try:
                await main(api, twilio)
            finally:
                api.close()

    asyncio.run(run())


def test_every_number_of_the_account_is_listed() -> None:
    many = [IncomingNumber(phone_number=f"+1425555{number:04}", voice_url="") for number in range(60)]

    async def main(api: NumbersApi, _: EmulatedTwilio) -> None:
        found = await api.all()

        assert [number.number for number in found] == [number.phone_number for number in many]
        assert found[0] == Number(sid=many[0].sid, number="+14255550000", name="(425) 555-0000")

    with_numbers(main, *many)


def test_a_number_is_found_by_all_its_digits() -> None:
    async def main(api: NumbersApi, _: EmulatedTwilio) -> None:
        found = await api.named(CALLED)

        assert found is not None
        assert found.number == CALLED
        assert await api.named("+1425555010") is None

    with_numbers(main, IncomingNumber(phone_number=f"{CALLED}1"), IncomingNumber(phone_number=CALLED))


@pytest.mark.parametrize(
    "before",
    [
        Pointing(voice_url="https://old.example/", voice_method="GET", status_callback="https://old.example/s"),
        Pointing(voice_application_sid="AP1"),
        Pointing(trunk_sid="TK1", voice_url="https://old.example/"),
    ],
)
def test_a_pointing_is_taken_and_given_back(before: Pointing) -> None:
    async def main(api: NumbersApi, twilio: EmulatedTwilio) -> None:
        [sid] = twilio.holdings.numbers
        assert (await api.point(sid, before)).pointing == before
        here = Pointing(voice_url="https://here.example/twilio/voice", voice_fallback_url="https://bin.example/")
        assert (await api.point(sid, here)).pointing == here
        assert (await api.point(sid, before)).pointing == before

    with_numbers(main, IncomingNumber(phone_number=CALLED))


def test_what_twilio_refuses_is_one_line() -> None:
    async def main(api: NumbersApi, twilio: EmulatedTwilio) -> None:
        [sid] = twilio.holdings.numbers
        with pytest.raises(PeerError, match=r"^Twilio refuses: an address is none that Twilio can reach: .*21402"):
            await api.point(sid, Pointing(voice_url="here"))

    with_numbers(main, IncomingNumber(phone_number=CALLED))


@pytest.mark.parametrize("listed", [[{}], [{"phone_number": "desk"}], 5])
def test_an_answer_that_is_not_twilios_is_one_line(listed: object) -> None:
    with fake_rest() as rest:
        rest.body = {"incoming_phone_numbers": listed}
        api = NumbersApi(ACCOUNT_SID, ACCOUNT_SID, TOKEN, rest.url)
        with pytest.raises(PeerError, match="does not answer as Twilio does"):
            asyncio.run(api.all())
        api.close()
