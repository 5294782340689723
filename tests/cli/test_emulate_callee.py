import asyncio
import socket
from pathlib import Path

import pytest
from twilio.rest import Client

from tests.support.emulated_account import Elsewhere
from tests.support.screen import Screen
from tests.support.tiny_customer import ACCOUNT_SID, CALLED, TOKEN, Stream, stream_server
from voice_agent.cli.emulate_callee import conversing, take_calls
from voice_agent.cli.main import main as command
from voice_agent.config.secret import Secret
from voice_agent.config.settings import PACKAGED_AGENTS, Settings
from voice_agent.emulator.twilio import Callee
from voice_agent.wire.twiml import connect_stream

VOICE = b"\x90" * 8


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def test_somebody_takes_the_calls_says_the_lines_and_hangs_up() -> None:
    heard: list[int] = []
    settings = Settings(
        agents=PACKAGED_AGENTS,
        twilio_account_sid=ACCOUNT_SID,
        twilio_auth_token=Secret(TOKEN),
        twilio_phone_number=CALLED,
    )

    async def agent(stream: Stream) -> None:
        await stream.play(VOICE * 100)
        await stream.read("stop")
        heard.append(len(stream.received))

    async def main() -> None:
        port, screen = free_port(), Screen()
        callee = conversing(Callee(greeting=VOICE * 40), [VOICE * 60], patience_s=0.3, listen_ms=100)
        http = Elsewhere(f"http://127.0.0.1:{port}")
        client = Client(ACCOUNT_SID, TOKEN, http_client=http)
        async with asyncio.TaskGroup() as tasks, stream_server(agent) as url:
            serving = tasks.create_task(take_calls(settings, callee, port, screen.tell))
            await screen.until("Ctrl-C stops")
            twiml = connect_stream(url, {}, "http://127.0.0.1:9/after")
            await asyncio.to_thread(lambda: client.calls.create(to="+14255550123", from_=CALLED, twiml=twiml))
            await screen.until("status: completed")
            serving.cancel()
        http.session.close()
        assert screen.lines[0] == "every number is answered by a human, 0.0 s of greeting"
        shown = "\n".join(screen.lines)
        assert "the callee speaks: 60 ms" in shown
        assert "the callee hangs up" in shown
        assert heard != []

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await main()

    asyncio.run(bounded())


def test_what_cannot_be_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["emulate", "callee", "--rings", "700"]) == 2
    assert command(["emulate", "callee", "--greeting", str(tmp_path / "none.wav")]) == 2
    assert capsys.readouterr().err.splitlines()[0] == "voice-agent: --rings is from 0 to 600 seconds"
