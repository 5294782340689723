"""Makes the recordings of this folder: calls really held through the sockets, with the emulators, in real time.

    python -m tests.calls.make [NAME ...]

Run it only for a new call: the others stay as they are, and a deliberate change of output is accepted with
`pytest tests/calls --calls=strict --calls-update`. What is said comes from the packaged speech, so a new recording of
an old call differs in its times alone.
"""

import asyncio
import secrets
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from voice_agent.config.agents import AgentFolder
from voice_agent.config.secret import Secret
from voice_agent.config.settings import PACKAGED_AGENTS, Settings
from voice_agent.emulator.scene import PATIENCE_S, speech
from voice_agent.emulator.twilio import EmulatedCall, EmulatedTwilio
from voice_agent.live.opened_call import FinishedCall
from voice_agent.server.local_model import local_realtime
from voice_agent.server.run import Serving
from voice_agent.wire.endpoint import DialectName

FOLDER = Path(__file__).resolve().parent
LISTEN_MS = 900
"""So long a polite caller waits before answering."""


async def hear_out(call: EmulatedCall) -> None:
    """Let the agent begin and finish."""
    await call.agent_began(PATIENCE_S)
    await call.agent_silent(LISTEN_MS, PATIENCE_S)


async def say(call: EmulatedCall, name: str) -> None:
    """Say a packaged utterance to its end."""
    call.say(speech(name))
    await call.caller_finished(PATIENCE_S)


async def until_hung_up(call: EmulatedCall) -> None:
    """Wait for the agent to end the call."""
    await call.wait_until(lambda: call.over, PATIENCE_S)


async def tool_and_goodbye(call: EmulatedCall) -> None:
    await hear_out(call)
    await say(call, "reception-2")
    await hear_out(call)
    await say(call, "reception-3")
    await until_hung_up(call)


async def interrupted(call: EmulatedCall) -> None:
    await hear_out(call)
    await say(call, "reception-1")
    await call.agent_spoke(2500, PATIENCE_S)
    await say(call, "reception-3")
    await until_hung_up(call)


async def hung_up_in_the_greeting(call: EmulatedCall) -> None:
    await call.agent_spoke(1200, PATIENCE_S)


async def keys(call: EmulatedCall) -> None:
    await hear_out(call)
    for digit in "12#":
        call.press(digit)
        await call.wait_until(lambda: False, 0.3)
    await hear_out(call)


async def preview_interrupted_greeting(call: EmulatedCall) -> None:
    await call.agent_spoke(1000, PATIENCE_S)
    await say(call, "reception-2")
    await hear_out(call)


async def model_lost(call: EmulatedCall) -> None:
    await until_hung_up(call)


async def protected_greeting(call: EmulatedCall) -> None:
    await call.agent_spoke(800, PATIENCE_S)
    await say(call, "table-2")
    await hear_out(call)


class Scene(msgspec.Struct, frozen=True):
    """One call."""

    play: Callable[[EmulatedCall], Awaitable[None]]
    agent: str = "reception"
    dialect: DialectName = "ga"
    faults: str = ""


SCENES = {
    "tool-and-goodbye": Scene(tool_and_goodbye),
    "interrupted": Scene(interrupted),
    "hung-up-in-the-greeting": Scene(hung_up_in_the_greeting),
    "keys": Scene(keys),
    "preview-interrupted-greeting": Scene(preview_interrupted_greeting, dialect="preview"),
    "model-lost": Scene(model_lost, faults="drop@4"),
    "protected-greeting": Scene(protected_greeting, agent="table"),
}


async def hold(scene: Scene, data: Path) -> Path:
    """Hold one call; give its recording."""
    settings = Settings(realtime_audio="g711", realtime_dialect=scene.dialect)
    finished: list[FinishedCall] = []
    account_sid, token = "AC" + secrets.token_hex(16), secrets.token_hex(16)
    async with (
        asyncio.timeout(120),
        local_realtime(settings, print) as realtime_url,
        EmulatedTwilio(account_sid, token) as twilio,
    ):
        settings = msgspec.structs.replace(
            settings,
            port=0,
            data=data,
            twilio_account_sid=account_sid,
            twilio_auth_token=Secret(token),
            twilio_api_base_url=twilio.base_url,
            realtime_url=f"{realtime_url}?fault={scene.faults}" if scene.faults else None,
        )
        agents = AgentFolder(PACKAGED_AGENTS / f"{scene.agent}.yaml")
        async with Serving(settings, agents, emulator_url=realtime_url, keep=[finished.append]) as serving:
            call = twilio.place_call(f"{serving.url}/twilio/voice", "+14255550123", "+14255550100")
            await scene.play(call)
            call.hang_up()
            await call.ended()
    recording = finished[0].recording
    assert recording is not None, "every packaged agent records"
    return recording


def main(names: list[str]) -> None:
    """Make the named recordings, or those that are not there."""
    for name in names or [name for name in SCENES if not (FOLDER / f"{name}.call").exists()]:
        with tempfile.TemporaryDirectory() as data:
            recording = asyncio.run(hold(SCENES[name], Path(data)))
            (FOLDER / f"{name}.call").write_bytes(recording.read_bytes())
        print(f"{name}: {(FOLDER / f'{name}.call').stat().st_size:,} bytes")  # noqa: T201 - a program


if __name__ == "__main__":
    main(sys.argv[1:])
