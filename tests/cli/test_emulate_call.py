"""`voice-agent emulate call` against small servers: what it says, records and exits with."""

import argparse
import asyncio
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from tests.support.tiny_customer import TOKEN, Answer, Stream, customer, stream_server, xml
from voice_agent.audio.wav import read_mulaw, write_mono
from voice_agent.cli import emulate_call
from voice_agent.cli.main import main
from voice_agent.config.secret import local_auth_token
from voice_agent.config.settings import read_settings
from voice_agent.errors import CommandError

VOICE = b"\x90" * 8
"""A millisecond of it."""


@contextmanager
def running(server: Callable[[], AbstractAsyncContextManager[str]]) -> Iterator[str]:
    """Run a server in a thread, because the command has a loop of its own; gives the URL."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    opened = server()
    try:
        yield asyncio.run_coroutine_threadsafe(opened.__aenter__(), loop).result(5)
    finally:
        asyncio.run_coroutine_threadsafe(opened.__aexit__(None, None, None), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(5)
        loop.close()


def emulate(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    emulate_call.arguments(parser)
    return emulate_call.run(**vars(parser.parse_args(arguments)))


async def answer_and_end(stream: Stream) -> None:
    """Greet, listen until the caller has pressed a key, end."""
    await stream.play(VOICE * 100)
    await stream.read("dtmf")
    await stream.socket.close()


def test_a_call_is_held_said_shown_and_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    streams: list[Stream] = []
    write_mono(tmp_path / "hello.wav", VOICE * 60)

    async def talk(stream: Stream) -> None:
        streams.append(stream)
        await stream.read("media")
        await stream.socket.close()

    with running(lambda: stream_server(talk)) as url:
        status = emulate(
            "--to", url, "--say", str(tmp_path / "hello.wav"), "--param", "a=1=2", "--auth-token", TOKEN,
            "--out", str(tmp_path / "call.wav"), "--api-port", str(free_port()),
        )  # fmt: skip

    shown = capsys.readouterr()
    assert (status, shown.err) == (0, "")
    assert "the stream starts" in shown.out
    assert "TWILIO_API_BASE_URL=http://127.0.0.1:" in shown.out
    assert streams[0].received[1]["start"]["customParameters"] == {"a": "1=2"}
    assert read_mulaw(tmp_path / "call.wav", 0)


def test_lines_and_keys_come_in_turn_with_the_agent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("one", "two"):
        write_mono(tmp_path / f"{name}.wav", VOICE * 40)

    with running(lambda: stream_server(answer_and_end)) as url:
        said = ("--say", str(tmp_path / "one.wav"), "--say", str(tmp_path / "two.wav"))
        status = emulate("--to", url, "--auth-token", TOKEN, "--patience", "0.1", "--keys", "1#", *said)

    lines = [line.split("  ")[-1].strip() for line in capsys.readouterr().out.splitlines()]
    spoken = [line for line in lines if line.startswith(("the agent", "the caller", "line"))]
    assert status == 0
    assert spoken == [
        "the agent speaks",
        "the agent is silent",
        "line: one.wav",
        "the caller speaks: 40 ms",
        "line: two.wav",
        "the caller speaks: 40 ms",
        "the caller presses: 1",
    ]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_reader_who_has_seen_enough_ends_the_call(tmp_path: Path) -> None:
    async def talk(stream: Stream) -> None:
        while True:
            await stream.play(VOICE * 100)
            await stream.read("media")

    with running(lambda: stream_server(talk)) as url:
        arguments = ["emulate", "call", "--to", url, "--data", str(tmp_path)]
        command = [sys.executable, "-m", "voice_agent.cli.main", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr is not None
            told = process.stderr.read()

    assert (process.returncode, told) == (130, b"")


@pytest.mark.parametrize("talk_ms", [0, 9000])
def test_the_caller_hangs_up_when_the_time_is_over(talk_ms: int, capsys: pytest.CaptureFixture[str]) -> None:
    async def talk(stream: Stream) -> None:
        await stream.play(VOICE * talk_ms)
        await stream.read("stop")

    with running(lambda: stream_server(talk)) as url:
        status = emulate("--to", url, "--auth-token", TOKEN, "--patience", "0.1", "--hang-up-after", "0.2")

    assert (status, "the caller hangs up" in capsys.readouterr().out) == (0, True)


def webhook(answer: Answer) -> Callable[[], AbstractAsyncContextManager[str]]:
    @asynccontextmanager
    async def serve() -> AsyncIterator[str]:
        async with customer({"/voice": answer}) as server:
            yield f"{server.url}/voice"

    return serve


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((403, "text/plain", "not signed"), "answers HTTP 403: not signed"),
        ((200, "application/json", "{}"), "answers application/json, not TwiML (text/xml)"),
        (xml("<Say>Closed</Say><Hangup/>"), "the TwiML opened no stream; it said 'Closed'"),
        (xml('<Connect><Stream url="ws://127.0.0.1:9/media"/></Connect>'), "connection refused"),
    ],
)
def test_a_call_that_is_not_held_is_one_line_and_exit_status_1(
    answer: Answer, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running(webhook(answer)) as url:
        status = emulate("--to", url, "--data", str(tmp_path), "--out", str(tmp_path / "call.wav"))

    problem = capsys.readouterr().err
    assert status == 1
    assert problem.count("\n") == 1
    assert says in problem
    assert not (tmp_path / "call.wav").exists()
    assert local_auth_token(tmp_path)


def test_a_stream_that_is_lost_is_exit_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    async def talk(stream: Stream) -> None:
        await stream.socket.close(1008, "the token is missing")

    with running(lambda: stream_server(talk)) as url:
        status = emulate("--to", url, "--auth-token", TOKEN)

    assert status == 1
    assert "closed the stream with 1008: the token is missing" in capsys.readouterr().err


def test_a_call_that_goes_on_in_another_stream_is_held(capsys: pytest.CaptureFixture[str]) -> None:
    closes = iter([1011, 1011, 1000])

    async def talk(stream: Stream) -> None:
        await stream.socket.close(next(closes))

    @asynccontextmanager
    async def served() -> AsyncIterator[str]:
        async with stream_server(talk) as url:
            connect = xml(f'<Connect action="/after"><Stream url="{url}"/></Connect>')
            async with customer({"/voice": connect, "/after": [connect, connect, xml("<Hangup/>")]}) as server:
                yield f"{server.url}/voice"

    with running(served) as url:
        status = emulate("--to", url, "--auth-token", TOKEN)

    told = capsys.readouterr()
    assert (status, told.err) == (0, "")
    assert "the stream was lost 2 times, and the call went on" in told.out


def test_a_caller_whose_call_has_ended_says_and_presses_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_mono(tmp_path / "hello.wav", VOICE * 60)

    async def talk(stream: Stream) -> None:
        await stream.play(VOICE * 100)
        await stream.socket.close()

    with running(lambda: stream_server(talk)) as url:
        status = emulate("--to", url, "--auth-token", TOKEN, "--say", str(tmp_path / "hello.wav"), "--keys", "1")

    told = capsys.readouterr().out
    assert status == 0
    assert "line: hello.wav" not in told
    assert "nobody hears" not in told


def test_an_answer_to_the_keys_is_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    async def talk(stream: Stream) -> None:
        await stream.read("dtmf")
        await stream.play(VOICE * 50)
        await stream.read("mark")

    with running(lambda: stream_server(talk)) as url:
        status = emulate("--to", url, "--auth-token", TOKEN, "--patience", "0.1", "--keys", "1", "--hang-up-after", "1")

    shown = capsys.readouterr().out
    assert status == 0
    assert shown.index("the caller presses: 1") < shown.index("the agent speaks") < shown.index("the caller hangs up")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to", "example.com"], "is not an http(s) or ws(s) address"),
        (["--to", "http://[::1"], "is not an http(s) or ws(s) address"),
        (["--to", "http://a", "--keys", "12a"], "a telephone has the keys"),
        (["--to", "http://a", "--param", "a=1"], "--param is for a ws(s) stream"),
        (["--to", "ws://a", "--param", "a"], "write NAME=VALUE"),
        (["--to", "http://a", "--out", "nowhere/call.wav"], "nowhere/call.wav: cannot be written: No such file"),
        (["--to", "http://a", "--say", "missing.wav"], "missing.wav: cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_starts(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["emulate", "call", *arguments]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["call", "--to", "http://a", "--patience", "nan"],
        ["call", "--to", "http://a", "--hang-up-after", "-1"],
        ["call", "--to", "http://a", "--api-port", "65536"],
        ["callee", "--port", "70000"],
        ["realtime", "--port", "99999"],
        ["realtime", "--tls-port", "-1"],
    ],
)
def test_a_port_or_a_time_that_there_is_not_is_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["emulate", *arguments])

    assert ended.value.code == 2
    assert f"{arguments[-1]!r} is no " in capsys.readouterr().err


def test_a_token_in_the_settings_signs_unless_a_folder_is_named(tmp_path: Path) -> None:
    settings = read_settings({"TWILIO_ACCOUNT_SID": "AC" + "1" * 32, "TWILIO_AUTH_TOKEN": TOKEN})

    assert emulate_call.token_of(settings, None) == TOKEN
    assert emulate_call.token_of(settings, tmp_path) == local_auth_token(tmp_path)
    with pytest.raises(CommandError):
        emulate_call.token_of(settings, Path(__file__))
