from voice_agent.server.sending_on import TIMES, send_on, send_on_at_once
from voice_agent.wire import twiml

URL = "https://phone.example/twilio/after-stream"


def test_a_caller_is_sent_on_at_once_three_times_and_then_waits() -> None:
    fields: dict[str, str] = {}
    told: list[list[twiml.Verb]] = []
    for times in ("1", "2", "3", ""):
        told.append(twiml.parse(send_on_at_once(URL, fields)))
        fields = {TIMES: times}

    assert told[:3] == [[twiml.Redirect(f"{URL}?sent={times}")] for times in (1, 2, 3)]
    assert told[3] == twiml.parse(send_on(URL)) == [twiml.Pause(1), twiml.Redirect(URL)]
    assert twiml.parse(send_on_at_once(URL, {TIMES: "whatever"})) == told[3]
