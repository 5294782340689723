"""Who gets a message is decided by the file and the call, whatever the model says."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.agent import TextMessage
from voice_agent.config.sms_tools import LONGEST, send_sms_tool
from voice_agent.errors import PeerError, RefusedError, UnreachedError
from voice_agent.tools.arguments import ArgumentsError, read_arguments
from voice_agent.tools.text_message import NotSentError, Outgoing, compose, send

CALLER, CALLED, DESK, KITCHEN = "+14255550123", "+14255550100", "+14255550101", "+442071838750"
CALL = {"caller": CALLER, "called": CALLED}


def message(**fields: Any) -> TextMessage:
    return TextMessage(**{"values": CALL, **fields})


def test_a_message_goes_to_the_caller_from_the_called_number() -> None:
    assert compose(message(), {"text": "See you."}) == Outgoing(CALLED, CALLER, "See you.")


def test_who_hides_their_number_gets_no_message_and_no_stranger_does() -> None:
    with pytest.raises(NotSentError, match="the caller's number is not known"):
        compose(message(values={**CALL, "caller": "+266696687"}), {"text": "See you."})


def test_the_file_may_name_the_sender_and_the_recipient() -> None:
    assert compose(message(sender=DESK, to={"kitchen": KITCHEN}), {"text": "x"}) == Outgoing(DESK, KITCHEN, "x")


def test_the_text_is_the_files_with_what_the_model_gives() -> None:
    said = message(text="{{ caller }}: {{ who }}, {{ count }}", to={"desk": DESK})

    assert compose(said, {"who": "{{ called }}", "count": 2}).text == f"{CALLER}: {{{{ called }}}}, 2"


@given(
    st.dictionaries(st.sampled_from(["desk", "kitchen", "bar"]), st.sampled_from([DESK, KITCHEN, CALLED]), max_size=3),
    st.dictionaries(
        st.sampled_from(["to", "text", "caller", "called", "sender", "number"]), st.text() | st.just(KITCHEN)
    ),
)
def test_no_argument_leads_to_a_number_that_the_file_does_not_name(to: dict[str, str], said: dict[str, str]) -> None:
    sms = message(to=to)
    tool = send_sms_tool(sms)
    try:
        outgoing = compose(sms, read_arguments(tool, json.dumps(said)))
    except ArgumentsError:
        return

    assert outgoing.to in (to.values() if to else {CALLER})
    assert outgoing.sender == CALLED


@pytest.mark.parametrize("caller", ["", "anonymous", "sip:a@b.example", "client:ann", "a browser", "+", "+1425555012a"])
def test_a_caller_without_a_number_gets_none(caller: str) -> None:
    with pytest.raises(NotSentError, match="the caller's number is not known"):
        compose(TextMessage(values={"caller": caller, "called": CALLED}), {"text": "x"})


def test_a_country_that_is_not_allowed_gets_none() -> None:
    assert compose(message(countries=("+44", "+1")), {"text": "x"}).to == CALLER
    with pytest.raises(NotSentError, match="not sent to numbers of that country") as caught:
        compose(message(countries=("+1",), to={"kitchen": KITCHEN}), {"text": "x"})
    assert caught.value.detail == f"{KITCHEN} does not begin with +1"


def test_without_a_number_to_send_from_none_is_sent() -> None:
    with pytest.raises(NotSentError) as caught:
        compose(TextMessage(values={"caller": CALLER, "called": "the console"}), {"text": "x"})

    assert caught.value.detail == '"the console" is no number to send from; name one under "from"'


@pytest.mark.parametrize(
    ("text", "problem"), [("", "is empty"), (" \n", "is empty"), ("x" * (LONGEST + 1), "is longer than 1600")]
)
def test_a_text_that_cannot_be_sent_is_told_to_the_model(text: str, problem: str) -> None:
    with pytest.raises(ArgumentsError, match=problem):
        compose(message(), {"text": text})


class Sender:
    """Fails as told."""

    def __init__(self, error: PeerError) -> None:
        self.error = error

    async def send(self, sender: str, to: str, text: str) -> str:
        del sender, to, text
        raise self.error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RefusedError("x", "21610"), "messages do not get to that number"),
        (RefusedError("x", "21614"), "messages do not get to that number"),
        (RefusedError("x", "21659"), "the message could not be sent"),
        (UnreachedError("x"), "the message could not be sent"),
        (PeerError("x"), "it is not certain that the message was sent"),
    ],
)
def test_what_goes_wrong_is_a_sentence_for_the_model(error: PeerError, said: str) -> None:
    with pytest.raises(NotSentError, match=f"^{said}$") as caught:
        asyncio.run(send(Outgoing(CALLED, CALLER, "x"), Sender(error)))

    assert caught.value.detail == "x"


def test_without_an_account_the_log_says_what_is_missing() -> None:
    with pytest.raises(NotSentError) as caught:
        asyncio.run(send(Outgoing(CALLED, CALLER, "x"), None))

    assert str(caught.value) == "it is not available now"
    assert "TWILIO_ACCOUNT_SID" in caught.value.detail
