"""The console's JavaScript that needs no page, under Node.js; and its messages held against the wire's own parser."""

import json
import subprocess
from pathlib import Path

from voice_agent.audio import mulaw
from voice_agent.wire.twilio import (
    Clear,
    Connected,
    Dtmf,
    DtmfBody,
    Mark,
    MarkBody,
    Media,
    MediaBody,
    MediaFormat,
    OutgoingMark,
    OutgoingMarkBody,
    OutgoingMedia,
    OutgoingMediaBody,
    Start,
    StartBody,
    Stop,
    StopBody,
    ToTwilio,
    encode,
    parse,
)

JS = Path(__file__).parent / "js"
STREAM = "MZ00000000000000000000000000000001"


def test_its_modules_do_what_their_tests_say() -> None:
    done = subprocess.run(["node", "--test", JS / "console.test.mjs"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
    assert "# pass 21" in done.stdout


def test_its_carrier_speaks_as_twilio_does_and_codes_as_we_do() -> None:
    call = {"callSid": "CA1", "accountSid": "AC1", "streamSid": STREAM, "parameters": {"token": "t"}}
    audio = bytes(range(256))
    orders: list[ToTwilio] = [
        OutgoingMedia(STREAM, OutgoingMediaBody(audio)),
        OutgoingMark(STREAM, OutgoingMarkBody("a-1")),
        Clear(STREAM),
    ]
    texts = json.dumps([encode(order) for order in orders])
    done = subprocess.run(
        ["node", JS / "console_carrier.mjs", json.dumps(call), texts], capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout)

    body = StartBody("CA1", "AC1", MediaFormat(), ("inbound",), {"token": "t"}, STREAM)
    assert [parse(text) for text in told["sent"]] == [
        Connected(),
        Start(STREAM, body, 1),
        Media(STREAM, MediaBody(0, bytes(range(160)), "inbound", 1), 2),
        Mark(STREAM, MarkBody("a-1"), 3),
        Dtmf(STREAM, DtmfBody("#"), 4),
        Stop(STREAM, StopBody("AC1", "CA1"), 5),
    ]
    assert told["played"] == [list(audio), "clear"]
    assert told["warnings"] == []
    assert told["codes"] == mulaw.CODES.tolist()
    assert [round(sample * 32768) for sample in told["decoded"]] == mulaw.DECODED.tolist()
