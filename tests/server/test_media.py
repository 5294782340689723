import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.support import tiny_twilio
from tests.support.asgi import FakeWebSocket, websocket_scope
from tests.support.reception import Desk, a_desk
from tests.support.tiny_twilio import CALL_SID, FIELDS, TOKEN
from voice_agent.server.media import MESSAGES_BEFORE_START, MediaStreams, Scope
from voice_agent.wire import twiml
from voice_agent.wire.signature import sign
from voice_agent.wire.texts import PhoneText

URL = "wss://phone.example/twilio/media"
SIGNED = {"X-Twilio-Signature": sign(TOKEN, URL)}

Script = Callable[[Desk, FakeWebSocket], Awaitable[None]]


async def parameters_of(desk: Desk) -> dict[str, str]:
    (connect,) = twiml.parse(await desk.reception.receive(FIELDS))
    assert isinstance(connect, twiml.Connect)
    return connect.parameters


class Browsers:
    """A console that lets in whoever says so, and has begun one call, or none."""

    def __init__(self, call_sid: str = CALL_SID) -> None:
        self._call_sid = call_sid

    def lets_in(self, scope: Scope) -> bool:
        return (b"cookie", b"console=in") in scope["headers"]

    def has(self, call_sid: str) -> bool:
        return call_sid == self._call_sid


def stream(
    folder: Path,
    script: Script,
    headers: dict[str, str] | None = None,
    start_seconds: float = 5,
    browsers: Browsers | None = None,
) -> tuple[Desk, FakeWebSocket]:
    """Open one stream and let the script be its carrier."""

    async def main() -> tuple[Desk, FakeWebSocket]:
        async with asyncio.timeout(30), a_desk(folder) as desk:
            socket = FakeWebSocket()
            await script(desk, socket)
            scope = websocket_scope(headers=SIGNED if headers is None else headers, socket=socket)
            first = iter([{"type": "websocket.connect"}])

            async def receive() -> object:
                return next(first, None) or await socket.receive()

            await MediaStreams(desk.reception, start_seconds, browsers)(scope, receive, socket.send)  # type: ignore[arg-type]
        return desk, socket

    return asyncio.run(main())


def test_a_server_that_lets_go_of_its_calls_leaves_a_stream_to_the_next_one(tmp_path: Path) -> None:
    async def script(desk: Desk, socket: FakeWebSocket) -> None:
        socket.says(tiny_twilio.connected(), tiny_twilio.start(await parameters_of(desk)))
        desk.reception.stopping.last = "hands over"

    desk, socket = stream(tmp_path, script)

    assert [(message["type"], message.get("status")) for message in socket.sent] == [
        ("websocket.http.response.start", 503), ("websocket.http.response.body", None)
    ]  # fmt: skip
    assert desk.refusals() == {"stopping": 1}


def test_an_admitted_stream_is_the_call_until_its_end(tmp_path: Path) -> None:
    async def script(desk: Desk, socket: FakeWebSocket) -> None:
        socket.says(tiny_twilio.connected(), tiny_twilio.start(await parameters_of(desk)), "audio", "end")

    desk, socket = stream(tmp_path, script)

    fed = desk.calls[0].bridge.fed
    assert [text.text[:20] for text in fed if isinstance(text, PhoneText)] == [
        '{"event":"connected"',
        '{"event": "start", "',
        "audio",
        "end",
    ]
    assert [message["type"] for message in socket.sent] == ["websocket.accept", "websocket.close"]


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "upgrade unsigned"),
        ({"X-Twilio-Signature": "bm8="}, "upgrade wrongly signed"),
        ({"X-Twilio-Signature": "\xff\xfe"}, "upgrade wrongly signed"),
        ({"X-Twilio-Signature": sign(TOKEN, "wss://elsewhere.example/twilio/media")}, "upgrade wrongly signed"),
    ],
)
def test_an_upgrade_that_twilio_did_not_sign_is_refused_before_it_is_accepted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, headers: dict[str, str], reason: str
) -> None:
    async def script(desk: Desk, socket: FakeWebSocket) -> None:
        await parameters_of(desk)

    desk, socket = stream(tmp_path, script, headers)

    assert [message["type"] for message in socket.sent] == ["websocket.close"]
    assert desk.refusals() == {reason: 1}
    assert len(caplog.records) == 1


def test_a_stream_that_never_sends_start_is_closed(tmp_path: Path) -> None:
    async def script(desk: Desk, socket: FakeWebSocket) -> None:
        socket.says(tiny_twilio.connected())

    desk, socket = stream(tmp_path, script, start_seconds=0.01)

    assert socket.close_frame == (1008, "no start within 0.01 s")
    assert desk.refusals() == {"no start in time": 1}


def test_a_stream_that_sends_rubbish_instead_of_start_is_closed(tmp_path: Path) -> None:
    async def script(desk: Desk, socket: FakeWebSocket) -> None:
        socket.says(*["{"] * MESSAGES_BEFORE_START)

    desk, socket = stream(tmp_path, script)

    assert socket.close_frame[0] == 1008
    assert desk.refusals() == {"no start in time": 1}


def test_a_stream_that_leaves_before_start_is_counted(tmp_path: Path) -> None:
    async def script(desk: Desk, socket: FakeWebSocket) -> None:
        socket.gone = True
        socket.leaves(1006)

    async def main() -> Desk:
        async with asyncio.timeout(30), a_desk(tmp_path) as desk:
            socket = FakeWebSocket()

            async def send(message: object) -> None:
                if message != {"type": "websocket.accept"}:
                    raise OSError("gone")

            first = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1006}])

            async def receive() -> object:
                return next(first)

            scope = websocket_scope(headers=SIGNED, socket=socket)
            await MediaStreams(desk.reception)(scope, receive, send)  # type: ignore[arg-type]
        return desk

    assert asyncio.run(main()).refusals() == {"no start in time": 1}


def test_the_token_of_a_stream_does_not_reach_the_recording(tmp_path: Path) -> None:
    tokens: list[str] = []

    async def script(desk: Desk, socket: FakeWebSocket) -> None:
        parameters = await parameters_of(desk)
        tokens.extend(parameters.values())
        socket.says(tiny_twilio.connected(), tiny_twilio.start(parameters), "end")

    desk, _ = stream(tmp_path, script)
    texts = [text.text for text in desk.calls[0].bridge.fed if isinstance(text, PhoneText)]

    assert len(texts) == 3
    assert not any(token in text for token in tokens for text in texts)


def test_binary_and_unknown_messages_before_start_do_not_cost_the_call(tmp_path: Path) -> None:
    async def script(desk: Desk, socket: FakeWebSocket) -> None:
        socket.says_bytes(b"\x00")
        socket.says('{"event":"greeting"}', tiny_twilio.start(await parameters_of(desk)), "end")

    desk, _ = stream(tmp_path, script)

    assert desk.refusals() == {}
    assert desk.calls[0].bridge.fed[0] == PhoneText("")


@pytest.mark.parametrize("token", ["", "guessed"])
def test_a_stream_without_a_good_token_is_closed_before_any_session(tmp_path: Path, token: str) -> None:
    async def script(desk: Desk, socket: FakeWebSocket) -> None:
        socket.says(tiny_twilio.connected(), tiny_twilio.start({"token": token} if token else {}))

    desk, socket = stream(tmp_path, script)

    assert socket.close_frame[0] == 1008
    assert desk.calls == []
    assert sum(desk.refusals().values()) == 1


def test_a_browser_that_the_console_lets_in_speaks_in_the_call_that_it_has_begun(tmp_path: Path) -> None:
    async def script(desk: Desk, socket: FakeWebSocket) -> None:
        socket.says(tiny_twilio.connected(), tiny_twilio.start(await parameters_of(desk)), "audio", "end")

    desk, socket = stream(tmp_path, script, {"Cookie": "console=in"}, browsers=Browsers())

    assert PhoneText("audio") in desk.calls[0].bridge.fed
    assert socket.admitted


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Cookie": "console=out"}, "upgrade unsigned"),
        ({"Cookie": "console=in", "X-Twilio-Signature": "bm8="}, "upgrade wrongly signed"),
    ],
)
def test_a_browser_that_the_console_does_not_let_in_needs_a_signature_as_all_do(
    tmp_path: Path, headers: dict[str, str], reason: str
) -> None:
    async def script(desk: Desk, socket: FakeWebSocket) -> None:
        await parameters_of(desk)

    desk, socket = stream(tmp_path, script, headers, browsers=Browsers())

    assert [message["type"] for message in socket.sent] == ["websocket.close"]
    assert desk.refusals() == {reason: 1}


@pytest.mark.parametrize(("begun", "parameters"), [("CAffffffffffffffffffffffffffffffff", True), (CALL_SID, False)])
def test_a_browser_gets_no_call_that_it_has_not_begun_and_none_without_the_token(
    tmp_path: Path, begun: str, parameters: bool
) -> None:
    async def script(desk: Desk, socket: FakeWebSocket) -> None:
        good = await parameters_of(desk)
        socket.says(tiny_twilio.connected(), tiny_twilio.start(good if parameters else {"token": "guessed"}))

    desk, socket = stream(tmp_path, script, {"Cookie": "console=in"}, browsers=Browsers(begun))

    assert socket.close_frame[0] == 1008
    assert not any(call.session.joined for call in desk.calls)
    assert sum(desk.refusals().values()) == 1


def test_the_token_of_a_browsers_call_is_not_used_up_by_who_may_not_use_it(tmp_path: Path) -> None:
    async def script(desk: Desk, socket: FakeWebSocket) -> None:
        socket.says(tiny_twilio.connected(), tiny_twilio.start(await parameters_of(desk)))

    desk, _ = stream(tmp_path, script, {"Cookie": "console=in"}, browsers=Browsers("CA0"))

    assert not desk.reception.streams.had(CALL_SID)
