import asyncio
import json
import os
import shutil
import socket
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, closing, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvloop
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.http11 import Request, Response

from tests.support import tiny_twilio
from tests.support.stored import latest
from tests.support.tiny_realtime import TinyRealtime, tiny_realtime
from tests.support.tiny_twilio import CALL_SID, FIELDS, TOKEN, open_stream, request, webhook
from voice_agent.call.commands import AgentSaid, CallEnded, Note, Report
from voice_agent.config.agents import ANY, AgentFolder, Demands
from voice_agent.config.secret import Secret, local_auth_token
from voice_agent.config.settings import PACKAGED_AGENTS, Fallback, Settings
from voice_agent.errors import CommandError
from voice_agent.live.opened_call import FinishedCall, Keep, Redact
from voice_agent.recording import reader
from voice_agent.recording.redact import Wanted
from voice_agent.replay.put_away import Redaction
from voice_agent.review.past_calls import unlisted_files
from voice_agent.server import last_resort as lines
from voice_agent.server.run import Serving
from voice_agent.store.database import FILE_NAME
from voice_agent.wire import twiml

AGENT = """
name: reception
default: true
instructions: Be brief.
greeting: Hello!
recording: audio
"""


class Call:
    """A server, its model, and what was reported."""

    def __init__(self, folder: Path, model: TinyRealtime) -> None:
        self.model = model
        self.reports: list[tuple[str, Report]] = []
        self._news = asyncio.Event()
        self.settings = Settings(
            port=0,
            data=folder / "data",
            realtime_url=model.url,
            realtime_audio="g711",
            twilio_auth_token=Secret(TOKEN),
        )
        self.serving: Serving

    @property
    def ended(self) -> list[CallEnded]:
        return [report for _, report in self.reports if isinstance(report, CallEnded)]

    def report(self, call_sid: str, report: Report) -> None:
        self.reports.append((call_sid, report))
        self._news.set()

    async def reported(self, kind: type[Report]) -> None:
        while not any(isinstance(report, kind) for _, report in self.reports):
            self._news.clear()
            await self._news.wait()

    async def answer(self, **fields: str) -> twiml.Connect:
        status, text = await webhook(f"{self.serving.url}/twilio/voice", {**FIELDS, **fields})
        assert status == 200, text
        (verb,) = twiml.parse(text)
        assert isinstance(verb, twiml.Connect)
        return verb

    async def stream(self) -> ClientConnection:
        connect = await self.answer()
        stream = await open_stream(connect.url)
        await stream.send(tiny_twilio.connected())
        await stream.send(tiny_twilio.start(connect.parameters))
        return stream

    async def after(self) -> list[twiml.Verb]:
        status, text = await webhook(f"{self.serving.url}/twilio/after-stream", {**FIELDS, "CallStatus": "in-progress"})
        assert status == 200
        return twiml.parse(text)


@asynccontextmanager
async def a_server(
    folder: Path,
    agent: str = AGENT,
    *,
    clips: dict[str, bytes] | None = None,
    keep: Sequence[Keep] = (),
    redact: Redact | None = None,
    demands: Demands = ANY,
    listening: socket.socket | None = None,
    replaced: bool = False,
    **settings: Any,
) -> AsyncIterator[Call]:
    (folder / "agents").mkdir(exist_ok=True)
    (folder / "agents" / "reception.yaml").write_text(agent)
    async with asyncio.timeout(60), tiny_realtime() as model:
        call = Call(folder, model)
        call.settings = msgspec.structs.replace(call.settings, **settings)
        agents = AgentFolder(folder / "agents", demands)

        def observe(call_sid: str, now_ms: int, report: Report) -> None:
            call.report(call_sid, report)

        serving = Serving(
            call.settings,
            agents,
            observers=[observe],
            keep=keep,
            redact=redact,
            clips=clips or {},
            listening=listening,
            replaced=replaced,
        )
        async with serving as call.serving:
            yield call


async def close_of(stream: ClientConnection) -> Close:
    """Read to the end of a stream; give the server's close frame."""
    with suppress(ConnectionClosed):
        while True:
            await stream.recv()
    return Close(stream.close_code or 0, stream.close_reason or "")


Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def test_a_call_from_the_webhook_to_the_history(tmp_path: Path, run: Run) -> None:
    async def main() -> None:
        async with a_server(tmp_path) as call:
            stream = await call.stream()
            heard = [json.loads(await stream.recv())["event"] for _ in range(3)]
            await stream.send(tiny_twilio.stop())
            await stream.close()
            verbs = await call.after()
            await call.model.closed.wait()

        assert heard == ["mark", "media", "mark"]
        assert verbs == [twiml.Hangup()]
        assert call.ended[0].outcome == "caller_hung_up"

    run(main())

    (row,) = latest(tmp_path / "data" / FILE_NAME)
    assert (row.call_sid, row.agent, row.outcome) == (CALL_SID, "reception", "caller_hung_up")
    assert row.recording is not None
    recording = reader.read(Path(row.recording))
    assert recording.header.webhook["From"] == "+14255550199"
    assert next(step.received.way for step in recording.steps() if step.received is not None) == "fact"


def test_a_stream_that_breaks_off_without_a_close_frame_is_lost_and_twilio_gets_another(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_server(tmp_path) as call:
            stream = await call.stream()
            await stream.recv()
            stream.transport.abort()
            await call.model.closed.wait()
            (verb,) = await call.after()
            assert isinstance(verb, twiml.Connect)

        assert call.ended[0].outcome == "stream_lost"

    asyncio.run(main())


def test_rubbish_on_the_stream_is_counted_and_the_call_goes_on(tmp_path: Path) -> None:
    rubbish: list[str | bytes] = [
        b"\x00\x01",
        "{",
        '{"event":"weather"}',
        tiny_twilio.media("!!!"),
        tiny_twilio.media("/////w==", stream_sid="MZother"),
    ]

    async def main() -> None:
        async with a_server(tmp_path) as call:
            stream = await call.stream()
            for message in rubbish:
                await stream.send(message)
            await stream.recv()
            await stream.send(tiny_twilio.stop())
            await stream.close()
            await call.model.closed.wait()
            text = (await request(f"{call.serving.url}/metrics", host="127.0.0.1"))[1]

        assert call.ended[0].outcome == "caller_hung_up"
        assert f'notes_total{{what="a message of the stream was skipped"}} {len(rubbish)}' in text

    asyncio.run(main())


def test_a_stream_of_another_media_format_is_closed_with_the_reason(tmp_path: Path) -> None:
    async def main() -> str:
        async with a_server(tmp_path) as call:
            connect = await call.answer()
            stream = await open_stream(connect.url)
            await stream.send(tiny_twilio.start(connect.parameters, encoding="audio/opus"))
            return (await close_of(stream)).reason

    assert "audio/opus" in asyncio.run(main())


def test_a_message_that_is_far_too_long_closes_the_stream(tmp_path: Path) -> None:
    async def main() -> int:
        async with a_server(tmp_path) as call:
            stream = await call.stream()
            await stream.recv()
            await stream.send("x" * 70_000)
            return (await close_of(stream)).code

    assert asyncio.run(main()) == 1009


@pytest.mark.parametrize(("clips", "line"), [({}, lines.MODEL_FAILED), ({"apology": b"\x00" * 80}, None)])
def test_a_model_that_refuses_is_apologised_for_and_the_call_ends(
    tmp_path: Path, clips: dict[str, bytes], line: str | None
) -> None:
    def refuse(connection: ServerConnection, message: Request) -> Response:
        return connection.respond(HTTPStatus.UNAUTHORIZED, "")

    async def never(connection: ServerConnection) -> None:
        raise AssertionError("it was refused")

    async def main() -> None:
        async with serve(never, "127.0.0.1", 0, process_request=refuse) as model:
            url = f"ws://127.0.0.1:{next(iter(model.sockets)).getsockname()[1]}/"
            async with a_server(tmp_path, clips=clips, realtime_url=url) as call:
                stream = await call.stream()
                try:
                    while True:
                        message = json.loads(await stream.recv())
                        if message["event"] == "mark":
                            await stream.send(tiny_twilio.mark(message["mark"]["name"]))
                except ConnectionClosed:
                    pass
                verbs = await call.after()
        assert verbs == [*([twiml.Say(line)] if line else []), twiml.Hangup()]
        assert call.ended[0].outcome == "model_failed"
        assert "HTTP 401" in call.ended[0].reason

    asyncio.run(main())


def test_a_server_that_stops_ends_its_calls_and_still_answers_the_action(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_server(tmp_path) as call:
            stream = await call.stream()
            await stream.recv()
            async with asyncio.TaskGroup() as tasks:
                ready = await request(f"{call.serving.url}/readyz")
                stopping = tasks.create_task(call.serving.__aexit__(None, None, None))
                await close_of(stream)
                verbs = await call.after()
                busy = await request(f"{call.serving.url}/readyz")
                await stopping

            assert (ready, busy) == ((200, "ready\n"), (503, "stopping\n"))
            assert verbs == [twiml.Say(lines.STOPPED), twiml.Hangup()]
            assert call.ended[0].outcome == "stopped"

    asyncio.run(main())


def test_a_full_disk_stops_the_recording_and_not_the_call(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_server(tmp_path) as call:
            # Where the folder of recordings should be made there is a file.
            (tmp_path / "data" / "recordings").write_text("")
            stream = await call.stream()
            await stream.recv()
            await stream.send(tiny_twilio.stop())
            await stream.close()
            await call.model.closed.wait()

        assert call.ended[0].outcome == "caller_hung_up"
        assert call.serving.metrics.get("recordings_stopped") == 1

    asyncio.run(main())

    assert len(latest(tmp_path / "data" / FILE_NAME)) == 1


@pytest.mark.parametrize(("recording", "kept"), [("off", False), ("text", True)])
def test_a_recording_is_made_as_the_agent_wants_it(tmp_path: Path, recording: str, kept: bool) -> None:
    async def main() -> None:
        async with a_server(tmp_path, AGENT.replace("recording: audio", f"recording: {recording}")) as call:
            stream = await call.stream()
            await stream.send(tiny_twilio.stop())
            await stream.close()
            await call.model.closed.wait()

    asyncio.run(main())

    (row,) = latest(tmp_path / "data" / FILE_NAME)
    assert (row.recording is not None) is kept
    if row.recording is not None:
        assert reader.read(Path(row.recording)).header.audio == "digests"


@pytest.mark.parametrize("recording", ["audio", "off"])
def test_a_call_is_redacted_before_anything_of_it_is_kept(tmp_path: Path, recording: str) -> None:
    kept: list[FinishedCall] = []

    async def main() -> None:
        loop, put_away = asyncio.get_running_loop(), asyncio.Event()

        def keep(finished: FinishedCall) -> None:
            kept.append(finished)
            loop.call_soon_threadsafe(put_away.set)

        agent = AGENT.replace("recording: audio", f"recording: {recording}")
        redaction = Redaction(Wanted())
        async with a_server(tmp_path, agent, keep=[keep], redact=redaction) as call:
            stream = await call.stream()
            await stream.send(tiny_twilio.stop())
            await stream.close()
            # A process of its own, at low priority: it takes as long as the machine lets it.
            await put_away.wait()

        assert call.ended[0].outcome == "caller_hung_up"

    asyncio.run(main())

    (row,) = latest(tmp_path / "data" / FILE_NAME)
    assert (row.caller, row.called, row.outcome) == ("+00000000000", "+00000000000", "caller_hung_up")
    assert [call.setup.caller for call in kept] == [row.caller]
    assert (row.recording is None) is (recording == "off")
    if row.recording is not None:
        found = reader.read(Path(row.recording))
        assert found.header.redacted
        assert [step.now_ms for step in found.steps()]
        assert found.cut_at is None
        assert "14255550199" not in repr(found.header)


def test_what_a_killed_server_has_not_redacted_is_shown_to_nobody_and_redacted_by_the_next(tmp_path: Path) -> None:
    killed = tmp_path / "killed"

    def dies(finished: FinishedCall) -> FinishedCall:
        shutil.copytree(tmp_path / "data" / "recordings", killed / "data" / "recordings")
        return finished

    async def main() -> None:
        async with a_server(tmp_path, redact=dies) as call:
            stream = await call.stream()
            await call.reported(AgentSaid)
            await stream.send(tiny_twilio.stop())
            await stream.close()

        (left,) = (path for path in killed.rglob("recordings/*/*"))
        os.utime(left, (0, 0))

        assert unlisted_files([], killed) == []
        loop, redacted, redaction = asyncio.get_running_loop(), asyncio.Event(), Redaction(Wanted())

        def redact(finished: FinishedCall) -> FinishedCall:
            kept = redaction(finished)
            loop.call_soon_threadsafe(redacted.set)
            return kept

        async with a_server(killed, redact=redact):
            await redacted.wait()

    asyncio.run(main())

    (found,) = killed.rglob("recordings/*/*")
    (row,) = latest(killed / "data" / FILE_NAME)
    assert (row.recording, row.outcome, row.caller) == (str(found), "caller_hung_up", "+00000000000")
    assert reader.read(found).header.redacted


def test_a_call_whose_redaction_outlasts_the_server_is_in_the_history_without_its_words(tmp_path: Path) -> None:
    async def main() -> None:
        loop, begun, released = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def redact(finished: FinishedCall) -> FinishedCall:
            loop.call_soon_threadsafe(begun.set)
            released.wait()
            return finished

        try:
            async with a_server(tmp_path, redact=redact) as call:
                stream = await call.stream()
                await call.reported(AgentSaid)
                await stream.send(tiny_twilio.stop())
                await stream.close()
                await begun.wait()
                await call.serving.reception.lobby.end_all("the server stops", 60, kept_seconds=0)
        finally:
            released.set()

    asyncio.run(main())

    (row,) = latest(tmp_path / "data" / FILE_NAME)
    assert (row.caller, row.called, row.outcome) == ("+00000000000", "+00000000000", "caller_hung_up")
    assert row.recording is not None
    assert "Hello" not in repr(row)


def test_a_recording_whose_redaction_outlasts_the_server_is_not_put_into_the_object_store(tmp_path: Path) -> None:
    async def main() -> None:
        loop, begun, released = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def redact(finished: FinishedCall) -> FinishedCall:
            loop.call_soon_threadsafe(begun.set)
            released.wait()
            return finished

        try:
            async with a_server(tmp_path, redact=redact, recordings_url=f"file://{tmp_path}/store") as call:
                stream = await call.stream()
                await stream.send(tiny_twilio.stop())
                await stream.close()
                await begun.wait()
                await call.serving.reception.lobby.end_all("the server stops", 60, kept_seconds=0)
        finally:
            released.set()

    asyncio.run(main())

    assert list((tmp_path / "store").rglob("*.call")) == []
    assert len(list((tmp_path / "data" / "recordings").rglob("*.unredacted"))) == 1


def test_a_call_at_whose_redaction_this_program_fails_is_in_the_history_without_its_words(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def redact(finished: FinishedCall) -> FinishedCall:
        raise ValueError(finished.setup.call_sid)

    async def main() -> None:
        async with a_server(tmp_path, redact=redact) as call:
            stream = await call.stream()
            await call.reported(AgentSaid)
            await stream.send(tiny_twilio.stop())
            await stream.close()

    asyncio.run(main())

    (row,) = latest(tmp_path / "data" / FILE_NAME)
    assert (row.caller, row.outcome, row.recording) == ("+00000000000", "caller_hung_up", None)
    assert "Hello" not in repr(row)
    assert list((tmp_path / "data" / "recordings").rglob("*.call")) == []
    assert "what is left of the call is not put away" in caplog.text


def test_a_server_that_is_to_redact_does_not_start_without_what_does_it() -> None:
    with pytest.raises(AssertionError, match="whoever reads the settings"):
        Serving(Settings(redact=True), AgentFolder(PACKAGED_AGENTS))


def test_what_cannot_be_kept_is_told_and_does_not_break_the_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def keep(call: FinishedCall) -> None:
        raise CommandError(f"no room for {call.setup.call_sid}")

    async def main() -> None:
        async with a_server(tmp_path, keep=[keep]) as call:
            stream = await call.stream()
            await stream.send(tiny_twilio.stop())
            await stream.close()
            await call.model.closed.wait()

        assert call.serving.metrics.get("calls_broken") == 0

    asyncio.run(main())

    assert f"not kept: no room for {CALL_SID}" in caplog.text


def test_a_call_that_the_store_does_not_take_is_in_the_history_once_it_does(tmp_path: Path) -> None:
    def rename(table: str, to: str) -> None:
        with closing(sqlite3.connect(tmp_path / "data" / FILE_NAME)) as store, store:
            store.execute(f"ALTER TABLE {table} RENAME TO {to}")

    async def main() -> int:
        loop, over = asyncio.get_running_loop(), asyncio.Event()

        def keep(call: FinishedCall) -> None:
            assert call.setup.call_sid == CALL_SID
            loop.call_soon_threadsafe(over.set)

        async with a_server(tmp_path, keep=[keep]) as call:
            await asyncio.to_thread(rename, "calls", "away")
            stream = await call.stream()
            await stream.send(tiny_twilio.stop())
            await stream.close()
            await over.wait()
            await asyncio.to_thread(rename, "away", "calls")
        return call.serving.metrics.get("history_delayed")

    assert asyncio.run(main()) == 1
    (kept,) = latest(tmp_path / "data" / FILE_NAME)
    assert (kept.call_sid, kept.outcome) == (CALL_SID, "caller_hung_up")


def test_a_port_that_is_taken_is_one_line(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_server(tmp_path) as call:
            port = int(call.serving.url.rpartition(":")[2])
            again = Serving(msgspec.structs.replace(call.settings, port=port), AgentFolder(tmp_path / "agents"))
            with pytest.raises(CommandError, match=rf"cannot listen on 127.0.0.1:{port} \(Address already in use\): "):
                await again.__aenter__()

    asyncio.run(main())


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def main() -> None:
        async with a_server(tmp_path, data=tmp_path / "file" / "data"):
            raise AssertionError("it cannot start")

    with pytest.raises(CommandError, match="DATA"):
        asyncio.run(main())


def test_without_twilios_token_a_local_one_signs(tmp_path: Path) -> None:
    async def main() -> int:
        async with a_server(tmp_path, twilio_auth_token=None) as call:
            token = local_auth_token(tmp_path / "data")
            return (await webhook(f"{call.serving.url}/twilio/voice", FIELDS, token))[0]

    assert asyncio.run(main()) == 200


def test_an_error_around_the_server_stays_itself(tmp_path: Path) -> None:
    async def main() -> None:
        async with a_server(tmp_path):
            raise KeyError("elsewhere")

    with pytest.raises(KeyError):
        asyncio.run(main())


@pytest.mark.parametrize(
    ("settings", "rest"),
    [
        ({}, False),
        ({"twilio_account_sid": "AC" + "0" * 32}, True),
        (
            {
                "twilio_account_sid": "AC" + "0" * 32,
                "twilio_api_key": "SK" + "0" * 32,
                "twilio_api_secret": Secret("s"),
                "twilio_auth_token": None,
            },
            True,
        ),
    ],
)
def test_with_credentials_a_call_can_be_ended_by_rest(tmp_path: Path, settings: dict[str, Any], rest: bool) -> None:
    async def main() -> bool:
        async with a_server(tmp_path, **settings) as call:
            return call.serving.reception.terms.rest

    assert asyncio.run(main()) is rest


def test_a_dead_endpoint_costs_one_caller_a_moment_and_the_next_one_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with tiny_realtime() as other:
            second = Fallback("emulator_2", Settings(realtime_url=other.url))
            dead = "ws://127.0.0.1:1/v1/realtime?model=m"
            async with a_server(tmp_path, realtime_url=dead, realtime_fallbacks=(second,)) as call:
                stream = await call.stream()
                heard = [json.loads(await stream.recv())["event"] for _ in range(3)]
                ready = await request(f"{call.serving.url}/readyz")
                await stream.send(tiny_twilio.stop())
                await stream.close()
                metrics = await request(f"{call.serving.url}/metrics", host="127.0.0.1")

            notes = [report.fields for _, report in call.reports if isinstance(report, Note)]
            assert heard == ["mark", "media", "mark"]
            assert [note.get("endpoint") for note in notes] == ["emulator_2"]
            assert call.serving.reception.terms.models[0].name == "emulator_2"
            assert "emulator: left alone for" in ready[1]
            assert "emulator_2: asked" in ready[1]
            assert 'endpoint_rest_seconds{endpoint="emulator_2"} 0' in metrics[1]

    asyncio.run(main())


def test_a_recording_is_in_the_object_store_when_its_call_is_over(tmp_path: Path) -> None:
    url = f"file://{tmp_path}/store"

    async def main() -> str:
        async with a_server(tmp_path, recordings_url=url) as call:
            stream = await call.stream()
            await stream.send(tiny_twilio.stop())
            await stream.close()
            await call.model.closed.wait()
        return f"{call.serving.metrics.get('recordings_put')} put"

    assert asyncio.run(main()) == "1 put"
    (row,) = latest(tmp_path / "data" / FILE_NAME)
    (path,) = (tmp_path / "store").rglob("*.call")
    assert row.recording == f"{url}/{path.parent.name}/{path.name}"
    assert reader.read(path).header.webhook["From"] == "+14255550199"
    assert list((tmp_path / "data" / "recordings").rglob("*.call")) == []
