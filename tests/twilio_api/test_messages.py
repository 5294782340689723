"""Against the emulated account."""

import asyncio

import pytest

from tests.support.tiny_customer import ACCOUNT_SID, CALLED, CALLER, TOKEN
from voice_agent.emulator.twilio import EmulatedTwilio, IncomingNumber
from voice_agent.errors import RefusedError
from voice_agent.twilio_api.messages import MessagesApi


async def sent(sender: str, to: str, text: str) -> tuple[str, EmulatedTwilio]:
    numbers = [IncomingNumber(phone_number=CALLED)]
    async with asyncio.timeout(30), EmulatedTwilio(ACCOUNT_SID, TOKEN, numbers=numbers) as twilio:
        api = MessagesApi(ACCOUNT_SID, ACCOUNT_SID, TOKEN, twilio.base_url)
        try:
            return await api.send(sender, to, text), twilio
        finally:
            api.close()


def test_a_message_is_sent_and_named() -> None:
    sid, twilio = asyncio.run(sent(CALLED, CALLER, "Hi"))

    assert [(message.sid, message.body) for message in twilio.holdings.messages.values()] == [(sid, "Hi")]


def test_a_refusal_bears_twilios_code_and_one_line() -> None:
    with pytest.raises(RefusedError) as caught:
        asyncio.run(sent("+14255559999", CALLER, "Hi"))

    assert caught.value.code == "21659"
    assert str(caught.value) == (
        "Twilio refuses: the number to send from is not one of this account: choose one that it has (error 21659)"
    )
