import pytest

from voice_agent.call.commands import Destination
from voice_agent.server.transfers import came_back, dial
from voice_agent.wire import twiml

DESK = Destination("front_desk", "+14255550101", 15, "+14255550100")
ACTION = "https://phone.example/twilio/after-dial"


def test_a_number_is_dialled_as_the_file_says() -> None:
    assert twiml.parse(dial(DESK, ACTION)) == [
        twiml.Dial(number="+14255550101", action=ACTION, timeout_s=15, caller_id="+14255550100")
    ]


@pytest.mark.parametrize("address", ["sip:desk@pbx.example.com;transport=tls?x-a=1&x-b=2", "sips:desk@pbx.example.com"])
def test_a_sip_address_is_dialled_as_such(address: str) -> None:
    assert twiml.parse(dial(Destination("desk", address, 20), ACTION)) == [
        twiml.Dial(sip=address, action=ACTION, timeout_s=20)
    ]


@pytest.mark.parametrize(
    ("status", "why"),
    [
        ("busy", "the line is busy"),
        ("no-answer", "nobody answered"),
        ("failed", "the number cannot be reached"),
        ("canceled", "the attempt was canceled"),
        ("something new", "it failed"),
    ],
)
def test_the_model_is_told_why_the_caller_is_back(status: str, why: str) -> None:
    told = came_back(DESK, {"DialCallStatus": status})

    assert told == f"The transfer to front_desk came to nothing: {why}. The caller is back on the line with you."
