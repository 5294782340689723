import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from openai import AsyncOpenAI
from websockets.asyncio.client import connect

from tests.support.fake_speech import fake_speech
from tests.support.openai_types import faults
from tests.support.realtime_client import silence, tone
from tests.support.webrtc_client import Event, WebRtcClient, called
from voice_agent.emulator.brain import Echo, Thought
from voice_agent.emulator.realtime import serve_realtime
from voice_agent.emulator.session_runner import Mind
from voice_agent.emulator.webrtc.call import MOST_UNSENT, Call
from voice_agent.sim.realtime import Energy, OutputBuffer, RealtimeOptions, RealtimeSession, Think


def run(test: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await test

    asyncio.run(bounded())


@asynccontextmanager
async def serving(*heard: str) -> AsyncIterator[str]:
    """A server that hears the given texts and repeats them: the address of `.../realtime`."""
    async with serve_realtime("127.0.0.1", 0, fake_speech(*heard), Echo(), RealtimeOptions(pace=20)) as server:
        yield f"http://127.0.0.1:{server.port}/v1/realtime"


async def post(url: str, **arguments: Any) -> tuple[int, Any]:
    async with aiohttp.ClientSession() as http, http.post(url, **arguments) as response:
        text = await response.text()
        return response.status, json.loads(text) if text.startswith("{") else text


def test_a_spoken_turn_is_heard_answered_and_interrupted() -> None:
    async def main() -> None:
        audio = {"input": {"transcription": {"model": "any"}}}
        async with (
            serving("a long story about telephones " * 30, "stop") as url,
            called(url, session={"type": "realtime", "audio": audio}) as client,
        ):
            await client.until("session.created")
            client.microphone.say(silence(100) + tone(300))
            await client.until("output_audio_buffer.started")
            await client.until_loud(300)
            client.microphone.say(tone(300))
            cleared = await client.until("output_audio_buffer.cleared")
            truncated = await client.until("conversation.item.truncated")
            heard = await client.until("conversation.item.input_audio_transcription.completed", 2)

            [started] = client.of("output_audio_buffer.started")
            assert [faults(event) for event in client.events] == [[]] * len(client.events)
            assert client.of("response.output_audio.delta") == []
            assert cleared["response_id"] == started["response_id"]
            assert 250 < truncated["audio_end_ms"] < 8000
            assert abs(truncated["audio_end_ms"] - client.loud_ms) < 500
            assert heard["transcript"] == "stop"

    run(main())


def test_a_secret_opens_the_session_that_it_was_made_for() -> None:
    async def main() -> None:
        async with serving() as url:
            session = {"type": "realtime", "model": "mine", "instructions": "Be brief."}
            body = {"session": session, "expires_after": {"anchor": "created_at", "seconds": 60}}
            status, made = await post(f"{url}/client_secrets", json=body)
            async with called(url, secret=made["value"]) as client:
                created = await client.until("session.created")
            async with connect(
                f"ws{url[4:]}", additional_headers={"Authorization": f"Bearer {made['value']}"}
            ) as socket:
                on_socket = json.loads(await socket.recv())

            assert (status, made["session"]["instructions"]) == (200, "Be brief.")
            assert created["session"]["instructions"] == on_socket["session"]["instructions"] == "Be brief."
            assert created["session"]["model"] == on_socket["session"]["model"] == "mine"

    run(main())


def test_the_vendors_package_mints_calls_and_hangs_up() -> None:
    async def main() -> None:
        async with serving() as url:
            async with AsyncOpenAI(api_key="any", base_url=url.removesuffix("/realtime")) as vendor:
                made = await vendor.realtime.client_secrets.create(session={"type": "realtime", "model": "mine"})
                caller = WebRtcClient()
                answer = await vendor.realtime.calls.create(sdp=await caller.offer(), session={"type": "realtime"})
                call_id = answer.response.headers["Location"].rpartition("/")[2]
                await vendor.realtime.calls.hangup(call_id)
                await caller.close()

            assert made.value.startswith("ek_")
            assert made.session.type == "realtime"
            assert answer.text.startswith("v=0")

    run(main())


def test_a_call_is_hung_up_by_its_id_and_its_sideband_is_told() -> None:
    async def main() -> None:
        async with serving() as url, called(url) as client:
            await client.until("session.created")
            call_id = client.location.rpartition("/")[2]
            async with connect(f"ws{url[4:]}?call_id={call_id}", max_queue=None) as sideband:
                await sideband.send('{"type": "response.create"}')
                events: list[Event] = []
                while not events or events[-1]["type"] != "response.done":
                    events.append(json.loads(await sideband.recv()))
                await client.until("response.done")
                hung_up = await post(f"{url}/calls/{call_id}/hangup")
                async for _ in sideband:
                    pass
            again = await post(f"{url}/calls/{call_id}/hangup")

            assert call_id.startswith("rtc_")
            assert events[0]["type"] == "response.created"
            assert hung_up == (200, "")
            assert again[0] == 404
            assert sideband.close_code == 1000

    run(main())


def test_a_filtered_browser_does_not_see_the_session_and_a_sideband_does() -> None:
    async def main() -> None:
        async with serving() as url, called(url.replace("/v1", "/openai/v1"), query="?webrtcfilter=on") as client:
            call_id = client.location.rpartition("/")[2]
            async with connect(f"ws{url[4:]}?call_id={call_id}", max_queue=None) as sideband:
                update = {"type": "session.update", "session": {"type": "realtime", "instructions": "Hidden."}}
                await sideband.send(json.dumps(update))
                updated = json.loads(await sideband.recv())
                await sideband.send('{"type": "response.create"}')
                await client.until("output_audio_buffer.stopped")

            assert updated["session"]["instructions"] == "Hidden."
            assert "Hidden." not in json.dumps(client.events)
            assert client.of("response.output_audio_transcript.done")

    run(main())


def test_a_call_ends_with_its_session() -> None:
    async def main() -> None:
        options = RealtimeOptions(session_minutes=0)
        async with serve_realtime("127.0.0.1", 0, fake_speech(), Echo(), options) as server:
            url = f"http://127.0.0.1:{server.port}/v1/realtime"
            async with called(url) as client:
                call_id = client.location.rpartition("/")[2]
                while (await post(f"{url}/calls/{call_id}/hangup"))[0] != 404:
                    pass

    run(main())


class Broken:
    """A brain with a fault that nobody foresaw."""

    async def think(self, think: Think) -> AsyncGenerator[Thought, None]:
        raise ZeroDivisionError(think.response_id)
        yield ""


def test_a_call_that_breaks_off_leaves_neither_its_browser_nor_a_sideband_waiting() -> None:
    async def main() -> None:
        async with serve_realtime("127.0.0.1", 0, fake_speech(), Broken()) as server:
            url = f"http://127.0.0.1:{server.port}/v1/realtime"
            async with called(url) as client:
                call_id = client.location.rpartition("/")[2]
                async with connect(f"ws{url[4:]}?call_id={call_id}", max_queue=None) as sideband:
                    await sideband.send('{"type": "response.create"}')
                    async for _ in sideband:
                        pass
                await client.until_closed()

    run(main())


def test_the_end_of_a_session_is_told_before_its_call_ends() -> None:
    async def main() -> None:
        options = RealtimeOptions(session_minutes=1 / 60)
        async with (
            serve_realtime("127.0.0.1", 0, fake_speech(), Echo(), options) as server,
            called(f"http://127.0.0.1:{server.port}/v1/realtime") as client,
        ):
            error = await client.until("error")
            await client.until_closed()

        assert error["error"]["code"] == "session_expired"

    run(main())


def test_without_aiortc_a_call_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        monkeypatch.setitem(sys.modules, "voice_agent.emulator.webrtc.call", None)
        async with serving() as url:
            status, answer = await post(f"{url}/calls", data="v=0", headers=SDP)

            assert status == 501
            assert "voice-agent[emulator]" in answer["error"]["message"]

    run(main())


def test_a_sideband_that_does_not_read_is_left_behind() -> None:
    async def main() -> None:
        with ThreadPoolExecutor() as threads:
            session = RealtimeSession(RealtimeOptions(), Energy(), OutputBuffer())
            call = Call(session, Mind(fake_speech(), Echo(), threads), filtered=False)
            async with call.attached() as texts:
                for _ in range(MOST_UNSENT + 2):
                    await call._send("{}")

                assert texts.qsize() == MOST_UNSENT + 1

    run(main())


BAD_SECRETS = [
    ({"session": {"type": "realtime", "voice": "ash"}}, "unknown_parameter"),
    ({"session": 1}, "invalid_type"),
    ({"expires_after": {"seconds": 9}}, "invalid_value"),
    ({"expires_after": 1}, "invalid_value"),
]


@pytest.mark.parametrize(("body", "code"), BAD_SECRETS)
def test_a_secret_for_what_cannot_be_is_refused(body: Event, code: str) -> None:
    async def main() -> None:
        async with serving() as url:
            status, answer = await post(f"{url}/client_secrets", json=body)

            assert (status, answer["error"]["code"]) == (400, code)

    run(main())


SDP = {"Content-Type": "application/sdp"}
BAD_CALLS = [
    ({"data": "v=0", "headers": SDP}, 400, "invalid_offer"),
    ({"data": "no offer", "headers": SDP}, 400, "invalid_offer"),
    ({"data": "v=0", "headers": SDP | {"Authorization": "Bearer ek_0"}}, 401, "invalid_api_key"),
    ({"json": {}}, 400, "unsupported_content_type"),
    ({"data": b"--", "headers": {"Content-Type": "multipart/form-data"}}, 400, "invalid_form"),
]


@pytest.mark.parametrize(("arguments", "status", "code"), BAD_CALLS)
def test_a_call_that_cannot_be_is_refused(arguments: Event, status: int, code: str) -> None:
    async def main() -> None:
        async with serving() as url:
            answered, answer = await post(f"{url}/calls", **arguments)

            assert (answered, answer["error"]["code"]) == (status, code)

    run(main())


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"session": "{}"}, "missing_required_parameter"),
        ({"sdp": "v=0", "session": "[]"}, "invalid_json"),
        ({"sdp": "v=0", "session": '{"type": "transcription"}'}, "invalid_parameter"),
    ],
)
def test_a_form_with_faults_is_refused(fields: Event, code: str) -> None:
    async def main() -> None:
        async with serving() as url:
            form = aiohttp.FormData(default_to_multipart=True)
            for name, value in fields.items():
                form.add_field(name, value)
            status, answer = await post(f"{url}/calls", data=form)

            assert (status, answer["error"]["code"]) == (400, code)

    run(main())


def test_a_sideband_of_no_call_is_refused() -> None:
    async def main() -> None:
        async with (
            serving() as url,
            aiohttp.ClientSession() as http,
            http.get(f"{url}?call_id=rtc_0") as response,
        ):
            assert (response.status, (await response.json())["error"]["code"]) == (404, "call_id_not_found")

    run(main())


def test_pages_of_any_origin_may_call() -> None:
    async def main() -> None:
        async with (
            serving() as url,
            aiohttp.ClientSession() as http,
            http.options(f"{url}/calls", headers={"Origin": "http://elsewhere"}) as response,
        ):
            assert response.status == 204
            assert response.headers["Access-Control-Allow-Origin"] == "*"

    run(main())


@pytest.mark.parametrize(
    ("path", "asked"), [("calls", "?fault=status-429"), ("calls?fault=retry-after=7,status-429", "")]
)
def test_a_call_is_refused_as_its_client_asks(path: str, asked: str) -> None:
    async def main() -> None:
        async with serving() as url:
            status, body = await post(f"{url}/{path}{asked}", data="v=0", headers={"Content-Type": "application/sdp"})

            assert status == 429
            assert "error" in body

    run(main())


def test_a_fault_that_there_is_not_is_named_before_a_call_begins() -> None:
    async def main() -> None:
        async with serving() as url:
            status, body = await post(f"{url}/calls?fault=sulk", data="v=0")

            assert status == 400
            assert "unknown fault 'sulk'" in body["error"]["message"]

    run(main())


def test_a_call_has_the_faults_that_its_client_asked_for() -> None:
    async def main() -> None:
        query = "?fault=fail=rate_limit_exceeded*1,drop@2"
        async with serving() as url, called(url, query=query) as client:
            await client.until("session.created")
            client.send(type="response.create")
            done = await client.until("response.done")
            await client.until_closed()

            assert done["response"]["status_details"]["error"]["code"] == "rate_limit_exceeded"

    run(main())


def test_every_call_of_a_server_with_faults_has_them() -> None:
    async def main() -> None:
        server = serve_realtime("127.0.0.1", 0, fake_speech(), Echo(), faults="error=server_error")
        async with server as running, called(f"http://127.0.0.1:{running.port}/v1/realtime") as client:
            error = await client.until("error")

            assert error["error"]["type"] == "server_error"

    run(main())
