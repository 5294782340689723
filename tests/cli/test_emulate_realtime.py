import asyncio
import os
import signal
import ssl
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.support.fake_speech import fake_speech
from voice_agent.cli.emulate_realtime import hold
from voice_agent.cli.main import main
from voice_agent.emulator.brain import Echo
from voice_agent.emulator.realtime import serve_realtime
from voice_agent.errors import CommandError
from voice_agent.sim.realtime import RealtimeOptions
from voice_agent.sim.realtime.faults import KINDS


def test_it_tells_its_address_and_serves_until_it_is_stopped() -> None:
    async def test() -> list[str]:
        told: list[str] = []
        listening = asyncio.Event()

        def tell(line: str) -> None:
            told.append(line)
            listening.set()

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            serving = group.create_task(hold("127.0.0.1", 0, Echo(), tell, lambda _: fake_speech()))
            await listening.wait()
            url = told[-1].removeprefix("Listening on ").split(" ")[0]
            async with connect(url) as socket:
                assert "session.created" in str(await socket.recv())
            os.kill(os.getpid(), signal.SIGINT)
            await serving
        return told

    assert len(asyncio.run(test())) == 1


def test_a_tls_port_is_told_with_the_certificate_that_clients_must_trust(tmp_path: Path) -> None:
    async def test() -> list[str]:
        told: list[str] = []
        listening = asyncio.Event()

        def tell(line: str) -> None:
            told.append(line)
            if line.startswith("Listening on ws:"):
                listening.set()

        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            speech = fake_speech()
            serving = group.create_task(hold("127.0.0.1", 0, Echo(), tell, lambda _: speech, tls=(0, tmp_path)))
            await listening.wait()
            url, certificate = told[0].removeprefix("Listening on ").split(", too; clients trust NODE_EXTRA_CA_CERTS=")
            context = ssl.create_default_context(cafile=certificate)
            async with connect(f"{url}?model=any", ssl=context) as socket:
                assert "session.created" in str(await socket.recv())
            os.kill(os.getpid(), signal.SIGINT)
            await serving
        return told

    assert len(asyncio.run(test())) == 2


def test_the_beta_header_selects_the_preview_where_it_was_let() -> None:
    async def test() -> str:
        told: asyncio.Queue[str] = asyncio.Queue()
        options = RealtimeOptions(openai_beta=True)
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            serving = group.create_task(
                hold("127.0.0.1", 0, Echo(), told.put_nowait, lambda _: fake_speech(), options=options)
            )
            url = (await told.get()).removeprefix("Listening on ").split(" ")[0]
            async with connect(url, additional_headers={"OpenAI-Beta": "realtime=v1"}) as socket:
                created = str(await socket.recv())
            os.kill(os.getpid(), signal.SIGINT)
            await serving
        return created

    assert '"modalities":["audio","text"]' in asyncio.run(test())


@pytest.mark.parametrize("arguments", [[], ["realtime"], ["call"]])
def test_every_stand_in_explains_itself(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["emulate", *arguments, "--help"])

    assert left.value.code == 0
    assert "usage: voice-agent emulate" in capsys.readouterr().out


def test_a_wrong_dialogue_file_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emulate", "realtime", "--dialogue", "nowhere.yaml"]) == 2
    assert capsys.readouterr().err == "voice-agent: nowhere.yaml: cannot be read: No such file or directory\n"


def test_a_model_without_an_endpoint_is_pointed_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLM_MODEL", "small")

    assert main(["emulate", "realtime", "--dialogue", "nowhere.yaml"]) == 2
    assert capsys.readouterr().err.startswith("warning: LLM_MODEL: does nothing without LLM_URL")


def test_every_fault_stands_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["emulate", "realtime", "--help"])

    told = capsys.readouterr().out
    assert all(f"  {name} " in told for name in KINDS)
    assert "X-Emulator-Fault" in told


def test_a_fault_that_there_is_not_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["emulate", "realtime", "--fault", "drop@5", "--fault", "weather"]) == 2
    assert capsys.readouterr().err.startswith("voice-agent: --fault: unknown fault 'weather'; there are: status-CODE")


@pytest.mark.parametrize("minutes", ["0", "-1", "soon", "1e9", "nan"])
def test_a_session_lasts_a_time_that_makes_sense(minutes: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["emulate", "realtime", f"--session-minutes={minutes}"])

    assert "is no time between 0 and 1440 minutes" in capsys.readouterr().err


def test_a_session_that_may_be_short_is_ended_as_by_the_services() -> None:
    async def test() -> None:
        options = RealtimeOptions(session_minutes=0.001)
        async with (
            asyncio.timeout(30),
            serve_realtime("127.0.0.1", 0, fake_speech(), Echo(), options) as server,
            connect(f"{server.url}?model=any") as socket,
        ):
            await socket.recv()
            expired = str(await socket.recv())

        assert "Your session hit the maximum duration of 0.001 minutes." in expired

    asyncio.run(test())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--llm-url", "foo", "--llm-model", "m"], "LLM_URL: not a URL with a host"),
        (["--llm-url", "http://127.0.0.1:1/v1"], "LLM_MODEL: is missing"),
        (["--llm-model", "m"], "--llm-model needs --llm-url"),
    ],
)
def test_half_an_endpoint_or_none_is_refused_before_anything_is_loaded(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["emulate", "realtime", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_a_host_that_nobody_can_look_up_is_one_line() -> None:
    with pytest.raises(CommandError, match=r"cannot listen on a\.\.b:0: "):
        asyncio.run(hold("a..b", 0, Echo(), lambda _: None, lambda _: fake_speech()))
