import asyncio
import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from starlette.websockets import WebSocket

from tests.server.console.test_live import AGENT, SID, Scene, a_live, held
from tests.support.asgi import FakeWebSocket, websocket_scope
from tests.support.pump import settle
from voice_agent.call.commands import HideCaller, HideKeys, ShowCaller, ShowKeys
from voice_agent.live.masking import MaskingRecorder
from voice_agent.server.console.listening import (
    AGENT as OF_AGENT,
)
from voice_agent.server.console.listening import (
    CALLER,
    CLEAR,
    MOST_LISTENERS,
    MOST_WAITING,
    TRY_AGAIN_LATER,
    Listening,
    Tap,
)
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import ModelText, PhoneText

SECRET = "  - collect_digits: {name: pin, secret: true}\n"


def media(audio: bytes, timestamp_ms: int = 0) -> PhoneText:
    body = {"track": "inbound", "chunk": "1", "timestamp": str(timestamp_ms)}
    body["payload"] = base64.b64encode(audio).decode()
    text = {"event": "media", "sequenceNumber": "1", "streamSid": "MZ1", "media": body}
    return PhoneText(msgspec.json.encode(text).decode())


def played(audio: bytes) -> PhoneText:
    payload = base64.b64encode(audio).decode()
    return PhoneText(f'{{"event":"media","streamSid":"MZ1","media":{{"payload":"{payload}"}}}}')


CLEARED = PhoneText('{"event":"clear","streamSid":"MZ1"}')


def heard(tap: Tap) -> list[bytes | None]:
    return [tap.queue.get_nowait() for _ in range(tap.queue.qsize())]


def test_both_directions_and_each_cut_are_heard_and_nothing_else() -> None:
    tap = Tap()
    tap.record(0, media(b"abc"), [played(b"de"), CLEARED, ModelText('{"type":"x"}')])
    tap.record(1, ModelText('{"type":"response.output_audio.delta","delta":"AAAA"}'), [])
    tap.record(2, PhoneText('{"event":"mark","streamSid":"MZ1","mark":{"name":"m"}}'), [])
    tap.record(3, PhoneText('{"event":"media","media":{"payload":"no base64"}}'), [])
    tap.record(4, PhoneText("nonsense"), [])

    assert heard(tap) == [CALLER + b"abc", OF_AGENT + b"de", CLEAR]


def test_secret_keys_are_not_heard() -> None:
    tap = Tap()
    masking = MaskingRecorder(tap)
    steps: Sequence[tuple[int, PhoneText, list[Output]]] = [
        (0, media(b"a" * 160, 0), [HideKeys("#")]),
        (20, media(b"b" * 160, 20), []),
        (40, media(b"c" * 160, 40), [HideCaller(0)]),
        (60, media(b"d" * 160, 60), []),
    ]
    for now_ms, received, outputs in steps:
        masking.record(now_ms, received, outputs)
    masking.flush()

    assert set(heard(tap)) == {CALLER + b"\xff" * 160}


def test_secret_keys_are_not_heard_by_whoever_begins_to_listen_while_they_are_typed(tmp_path: Path) -> None:
    orders: dict[str, list[Output]] = {
        "ask": [HideKeys("#")],
        "key": [HideCaller(0)],
        "enough": [ShowCaller(), ShowKeys()],
    }

    def answer(received: Input) -> Sequence[Output]:
        return orders.get(received.text, []) if isinstance(received, ModelText) else []

    async def heard_after(found: Scene, before: str, then: str) -> bytes:
        session = found.desk.calls[0].session
        session.feed(ModelText(before))
        page = Page(Listening(found.live))
        await settle()
        session.feed(media(b"x" * 160))
        session.feed(ModelText(then))
        session.feed(media(b"x" * 160, 1000))
        await settle()
        page.socket.leaves()
        await page.task
        return b"".join(message[1:] for message in page.heard)

    async def main() -> None:
        async with asyncio.timeout(60), a_live(tmp_path, answer, f"{AGENT}{SECRET}") as found:
            assert await heard_after(found, "ask", "key") == b"\xff" * 320
            assert await heard_after(found, "key", "key") == b"\xff" * 320
            assert await heard_after(found, "enough", "") == b"x" * 320

    asyncio.run(main())


class Page:
    """A page that listens."""

    def __init__(self, listening: Listening, sid: str = SID) -> None:
        self.socket = FakeWebSocket()
        self.socket._incoming.put_nowait({"type": "websocket.connect"})
        scope = websocket_scope(f"/console/api/live/{sid}/sound")
        self.task = asyncio.ensure_future(listening.serve(WebSocket(scope, self.socket.receive, self.socket.send), sid))

    @property
    def heard(self) -> list[bytes]:
        return [message["bytes"] for message in self.socket.sent if message["type"] == "websocket.send"]


def listened(folder: Path, scene: Any, agent: str = AGENT) -> None:
    async def main(found: Scene) -> None:
        await scene(found, Listening(found.live))

    held(folder, main, agent)


def test_a_page_hears_the_call_until_it_goes(tmp_path: Path) -> None:
    async def scene(found: Scene, listening: Listening) -> None:
        session = found.desk.calls[0].session
        session.feed(media(b"before"))
        page = Page(listening)
        await settle()
        session.feed(media(b"abc"))
        await settle()
        assert page.heard == [CALLER + b"abc"]
        page.socket.leaves()
        await page.task
        assert session._listeners == []

    listened(tmp_path, scene)


def test_the_calls_end_ends_it(tmp_path: Path) -> None:
    async def scene(found: Scene, listening: Listening) -> None:
        page = Page(listening)
        await settle()
        found.desk.calls[0].session.feed(ModelText("end"))
        await page.task
        assert page.socket.close_frame[0] == 1000

    listened(tmp_path, scene)


def test_a_page_that_does_not_read_is_let_go_and_the_call_goes_on(tmp_path: Path) -> None:
    async def scene(found: Scene, listening: Listening) -> None:
        session = found.desk.calls[0].session
        page = Page(listening)
        await settle()
        for _ in range(MOST_WAITING + 1):
            session.feed(media(b"abc"))
        await page.task
        assert page.socket.close_frame == (TRY_AGAIN_LATER, "the connection is too slow to listen")
        assert session.ended is None
        assert session._listeners == []

    listened(tmp_path, scene)


def test_only_so_many_listen_at_once_and_the_servers_end_lets_all_go(tmp_path: Path) -> None:
    async def scene(found: Scene, listening: Listening) -> None:
        pages = [Page(listening) for _ in range(MOST_LISTENERS)]
        await settle()
        one_more = Page(listening)
        await one_more.task
        assert one_more.socket.sent[0]["type"] == "websocket.accept", "or no browser tells why"
        assert one_more.socket.close_frame == (TRY_AGAIN_LATER, f"{MOST_LISTENERS} listen already")
        listening.close()
        await asyncio.gather(*(page.task for page in pages))

    listened(tmp_path, scene)


def test_a_call_that_is_not_there_is_not_listened_to(tmp_path: Path) -> None:
    async def scene(found: Scene, listening: Listening) -> None:
        page = Page(listening, "CA0")
        await page.task
        assert page.socket.sent[0]["type"] == "websocket.accept", "or no browser tells why"
        assert page.socket.close_frame == (1008, "that call is not going on any more")

    listened(tmp_path, scene)


@pytest.mark.parametrize("secret", [True, False])
def test_where_digits_may_be_secret_they_are_masked(tmp_path: Path, secret: bool) -> None:
    async def scene(found: Scene, listening: Listening) -> None:
        session = found.desk.calls[0].session
        page = Page(listening)
        await settle()
        (listener,) = session._listeners
        assert isinstance(getattr(listener, "__self__", None), MaskingRecorder if secret else Tap)
        page.socket.leaves()
        await page.task

    listened(tmp_path, scene, AGENT + (SECRET if secret else ""))
