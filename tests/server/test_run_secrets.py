"""Keys and tokens that can be recognised, in every setting, through a call in which everything goes wrong."""

import asyncio
import base64
import io
import json
import logging
import typing
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from aiohttp import web
from websockets.asyncio.server import ServerConnection

from tests.server.test_run import AGENT, Call, a_server, close_of
from tests.support import tiny_twilio
from tests.support.http_server import server
from tests.support.tiny_realtime import send
from tests.support.tiny_twilio import ACCOUNT_SID, CALL_SID, FIELDS, TOKEN, request
from tests.support.twilio_rest import fake_rest
from voice_agent.config.agents import Demands
from voice_agent.config.references import References, read_references
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings
from voice_agent.recording.reader import read
from voice_agent.server.logs import set_up_logging

SECRETS = [name for name, kind in typing.get_type_hints(Settings).items() if Secret in typing.get_args(kind)]
PLANTED = {name: f"planted-{name.replace('_', '-')}-6f1e" for name in SECRETS} | {"twilio_auth_token": TOKEN}
CALENDAR_KEY = "planted-calendar-key-6f1e"
IN_URL = "planted-in-the-url-6f1e"


def traces(text: str) -> list[str]:
    """Every planted secret that a text holds, as it is or as HTTP's Basic would write it."""
    found = [secret for secret in (*PLANTED.values(), CALENDAR_KEY, IN_URL) if secret in text]
    basic = base64.b64encode(f"{ACCOUNT_SID}:{TOKEN}".encode()).decode().rstrip("=")
    return found + ([basic] if basic[:40] in text else [])


@contextmanager
def logging_as_serve_does(settings: Settings) -> Iterator[list[io.StringIO]]:
    """Log everything in both forms."""
    loggers = [logging.getLogger(name) for name in ("", "voice_agent", "uvicorn.error")]
    levels = [logger.level for logger in loggers]
    styles: tuple[Literal["text", "json"], ...] = ("text", "json")
    streams = [io.StringIO() for _ in styles]
    handlers = [
        set_up_logging("debug", style, stream, References(settings.secrets).covered)
        for style, stream in zip(styles, streams, strict=True)
    ]
    try:
        yield streams
    finally:
        for handler in handlers:
            logging.getLogger().removeHandler(handler)
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


async def breaks(socket: ServerConnection, message: dict[str, Any]) -> None:
    """Be a model that repeats the key in an error, calls a tool, and closes with the key as the reason."""
    key = PLANTED["openai_api_key"]
    if message["type"] == "session.update":
        await send(socket, type="session.updated", session=message["session"])
    if message["type"] == "response.create":
        await send(socket, type="error", error={"type": "invalid_request_error", "code": "x", "message": f"Bad {key}"})
        response = {"id": "resp_2", "status": "in_progress", "output": []}
        item = {"id": "i2", "type": "function_call", "call_id": "call_1", "name": "find_slot", "arguments": "{}"}
        await send(socket, type="response.created", response=response)
        await send(socket, type="response.output_item.done", response_id="resp_2", output_index=0, item=item)
        await send(socket, type="response.done", response={**response, "status": "completed"})
    if message.get("item", {}).get("type") == "function_call_output":
        await socket.close(1011, f"Bearer {key} is exhausted")


async def a_bad_call(call: Call) -> list[str]:
    """Go wrong in every way; give what HTTP answered."""
    url = call.serving.url
    call.model.answer = breaks  # type: ignore[method-assign] # a model of its own for each test
    stream = await call.stream()
    await close_of(stream)
    await call.after()
    order = json.dumps({"to": "+14255550123"}).encode()
    token = PLANTED["api_token"]
    answers = [
        await request(f"{url}/calls", headers={"Authorization": f"Bearer {token}"}, body=order),
        await request(f"{url}/calls", headers={"Authorization": f"Bearer x{token}"}, body=order),
        await request(f"{url}/console/session", headers={"Authorization": "Basic eA=="}, body=b"{}"),
        await request(f"{url}/twilio/voice", FIELDS),
        await request(f"{url}/metrics", host="127.0.0.1"),
    ]
    assert [status for status, _ in answers] == [422, 401, 401, 403, 200]
    return [text for _, text in answers]


def test_no_secret_is_in_any_log_recording_history_answer_or_repr(tmp_path: Path) -> None:
    shown: list[str] = []

    async def calendar(asked: web.Request) -> web.StreamResponse:
        assert asked.headers["X-Api-Key"] == CALENDAR_KEY
        return web.Response(status=500, text=f"no {CALENDAR_KEY}")

    async def main(stack: ExitStack) -> None:
        rest = stack.enter_context(fake_rest())
        rest.status, rest.body = 401, {"code": 20003, "message": f"Authentication Error: {TOKEN}", "status": 401}
        async with server(calendar) as calendar_url:
            tool = {"name": "find_slot", "description": "Find.", "url": calendar_url, "allow_private": True}
            tool["headers"] = {"X-Api-Key": "${CALENDAR_KEY}"}
            agent = f"{AGENT}numbers: ['+14255550100']\ntools: {json.dumps([{'http': tool}])}\n"
            secrets: dict[str, Any] = {name: Secret(text) for name, text in PLANTED.items() if name != "database_url"}
            more: dict[str, Any] = {
                "twilio_account_sid": ACCOUNT_SID,
                "twilio_api_base_url": rest.url,
                "dial_countries": ("+1",),
            }
            demands = Demands(references=read_references({"CALENDAR_KEY": CALENDAR_KEY}))
            more |= {"realtime_provider": "openai", "twilio_api_key": None, "twilio_api_secret": None}
            async with a_server(tmp_path, agent, demands=demands, **secrets | more) as call:
                (streams,) = [stack.enter_context(logging_as_serve_does(call.settings))]
                shown.extend(await a_bad_call(call))
                serving = call.serving
                things = (
                    call.settings,
                    serving.reception.terms,
                    serving._endpoints[0].endpoint,
                    serving._agents.references,
                )
                shown.extend(map(repr, (*things, *vars(serving).values(), *vars(serving.reception).values())))
                assert call.model.headers[0]["Authorization"] == f"Bearer {PLANTED['openai_api_key']}"
            shown.extend(stream.getvalue() for stream in streams)
        assert [one.outcome for one in call.ended] == ["model_failed"]

    with ExitStack() as stack:
        asyncio.run(main(stack))

    (recording,) = tmp_path.rglob("*.call")
    kept = read(recording)
    entries = [entry.text for step in kept.steps() for entry in (step.received, *step.sent) if entry is not None]
    files = [path.read_bytes().decode("latin-1") for path in (tmp_path / "data").rglob("*") if path.is_file()]
    logs = shown[-2:]
    assert "tool find_slot failed: HTTP 500: no ${CALENDAR_KEY}" in logs[0]
    assert any("Bad …" in entry for entry in entries)
    assert [traces(text) for text in (*shown, *entries, *files, repr(kept.header)) if traces(text)] == []


def test_settings_show_no_secret_and_cannot_be_written_down() -> None:
    planted: dict[str, Any] = {name: Secret(text) for name, text in PLANTED.items()}
    settings = Settings(
        **planted,
        realtime_url=f"wss://gateway.example/v1/realtime?api-key={IN_URL}",
    )

    assert len(SECRETS) >= 9
    assert set(settings.secrets) == {name.upper() for name in SECRETS}
    for shown in (repr(settings), str(settings), f"{settings}", repr([settings])):
        assert traces(shown) == []
        assert "wss://gateway.example/v1/realtime?…" in shown
    with pytest.raises(TypeError):
        msgspec.json.encode(settings)


def test_phone_numbers_are_shortened_in_every_line_of_a_call(tmp_path: Path) -> None:
    async def main() -> list[io.StringIO]:
        async with a_server(tmp_path) as call:
            with logging_as_serve_does(call.settings) as streams:
                await request(f"{call.serving.url}/twilio/voice?from=%2B14255550199", FIELDS)
                stream = await call.stream()
                await stream.send(tiny_twilio.stop())
                await close_of(stream)
                return streams

    for stream in asyncio.run(main()):
        assert "1425555****" in stream.getvalue()
        assert "14255550199" not in stream.getvalue()


def test_what_is_older_than_it_may_be_is_deleted_when_the_server_starts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Told(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().startswith("deleted after"):
                told.set()

    told = asyncio.Event()
    folder = tmp_path / "data" / "recordings" / "2025-01-31"
    folder.mkdir(parents=True)
    old = folder / f"20250131T120000-{CALL_SID}.call"
    old.write_bytes(b"a call")

    async def main() -> None:
        handler = Told()
        logging.getLogger().addHandler(handler)
        try:
            async with a_server(tmp_path, keep_days=30):
                await told.wait()
        finally:
            logging.getLogger().removeHandler(handler)

    with caplog.at_level(logging.INFO, "voice_agent"):
        asyncio.run(main())
    assert not folder.exists()
    assert "deleted after 30 days: 1 files and 0 calls of the history" in caplog.messages
