"""A `send_sms` tool from the model's arguments to the emulated Twilio's REST API."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import pytest

from tests.support.tiny_customer import ACCOUNT_SID, CALLED, CALLER, TOKEN
from voice_agent.agent import Agent, TextMessage
from voice_agent.call.events import ToolFinished
from voice_agent.config.sms_tools import send_sms_tool
from voice_agent.emulator.twilio import EmulatedTwilio, IncomingNumber
from voice_agent.tools.run import ToolRunner
from voice_agent.tools.text_message import MOST_A_CALL
from voice_agent.twilio_api.messages import MessagesApi

Run = Callable[[str], Awaitable[ToolFinished]]


def with_tool(main: Callable[[EmulatedTwilio, Run], Awaitable[None]], caller: str = CALLER, token: str = TOKEN) -> None:
    async def run() -> None:
        numbers = [IncomingNumber(phone_number=CALLED)]
        async with asyncio.timeout(30), EmulatedTwilio(ACCOUNT_SID, TOKEN, numbers=numbers) as twilio:
            api = MessagesApi(ACCOUNT_SID, ACCOUNT_SID, token, twilio.base_url)
            tool = send_sms_tool(TextMessage(values={"caller": caller, "called": CALLED}))
            tools = ToolRunner(Agent(name="a", instructions="", tools=(tool,)), "CA1", messages=api)
            try:
                await main(twilio, lambda text: tools.run("call_1", "send_sms", json.dumps({"text": text})))
            finally:
                api.close()

    asyncio.run(run())


def test_the_message_is_sent() -> None:
    async def main(twilio: EmulatedTwilio, run: Run) -> None:
        assert await run("See you at 9:00, Größe 12 ✓") == ToolFinished("call_1", "sent")
        [message] = twilio.holdings.messages.values()
        assert (message.from_, message.to, message.body) == (CALLED, CALLER, "See you at 9:00, Größe 12 ✓")

    with_tool(main)


@pytest.mark.parametrize(
    ("caller", "token", "said", "logged"),
    [
        ("+15005550004", TOKEN, "messages do not get to that number", "has opted out of messages from this number"),
        ("+15005550003", TOKEN, "the message could not be sent", "may not send messages to that country"),
        (CALLER, "f" * 32, "the message could not be sent", "Twilio refuses the credentials"),
        ("anonymous", TOKEN, "the caller's number is not known", '"anonymous" is no number to send a message to'),
    ],
)
def test_a_message_that_is_not_sent_is_a_sentence_for_the_model_and_one_for_the_log(
    caller: str, token: str, said: str, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(twilio: EmulatedTwilio, run: Run) -> None:
        finished = await run("x")
        assert finished.failed
        assert json.loads(finished.output) == {"error": f"send_sms failed: {said}"}
        assert finished.cause.startswith("Twilio: ")
        assert logged in finished.cause
        assert twilio.holdings.messages == {}

    with_tool(main, caller, token)

    assert "tool send_sms failed: " in caplog.text
    assert logged in caplog.text


def test_a_call_sends_only_a_handful(caplog: pytest.LogCaptureFixture) -> None:
    async def main(twilio: EmulatedTwilio, run: Run) -> None:
        outputs = [(await run(f"number {count}")).output for count in range(MOST_A_CALL + 1)]
        assert outputs[:-1] == ["sent"] * MOST_A_CALL
        assert json.loads(outputs[-1]) == {"error": "send_sms failed: enough messages were sent in this call"}
        assert len(twilio.holdings.messages) == MOST_A_CALL

    with_tool(main)
