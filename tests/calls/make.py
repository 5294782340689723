"""Makes the recordings of this folder: calls really held through the sockets, with the emulators, in real time.

    python -m tests.calls.make [NAME ...]

Run it only for a new call: the others stay as they are, and a deliberate change of output is accepted with
`pytest tests/calls --calls=strict --calls-update`. What is said comes from the packaged speech and the local voice, so
a new recording of an old call differs in its times alone. Scenes are in `scenes/`.
"""

import asyncio
import secrets
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncGenerator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from tests.calls.scenes import SCENES
from tests.calls.scenes.stage import Scene, Stage
from tests.calls.scenes.who_answers import CUSTOMERS
from tests.support.http_server import server
from voice_agent.audio.resample import Downsampler
from voice_agent.call.commands import Report
from voice_agent.config.agents import AgentFolder, load_agents
from voice_agent.config.secret import Secret
from voice_agent.config.settings import PACKAGED_AGENTS, Settings
from voice_agent.emulator.brain import Brain, Thought, last_said
from voice_agent.emulator.brains import choose_brain
from voice_agent.emulator.realtime import serve_realtime
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.speech.loading import load_speech
from voice_agent.emulator.twilio import Callee, EmulatedCall, EmulatedTwilio, IncomingNumber
from voice_agent.live.clock import utc_now
from voice_agent.live.opened_call import FinishedCall
from voice_agent.server.run import Serving
from voice_agent.sim.realtime import Think
from voice_agent.twilio_api.calls import CallsApi
from voice_agent.twilio_api.dialling import Wish, plan
from voice_agent.twilio_api.rest import open_rest
from voice_agent.wire.endpoint import PREVIEW_VERSION

FOLDER = Path(__file__).resolve().parent
AGENTS = FOLDER / "agents"
LONGEST_S = 120


class Prompted:
    """A brain that does what a scene says when certain words were said to it last, and else what another one does."""

    def __init__(self, brain: Brain, calls: Mapping[str, tuple[Thought, ...]]) -> None:
        self._brain = brain
        self._calls = calls

    async def think(self, think: Think) -> AsyncGenerator[Thought, None]:
        """See `Brain`."""
        said = last_said(think.conversation)
        words = "" if said is None else said.text.casefold()
        for key, thoughts in self._calls.items():
            if key in words:
                for thought in thoughts:
                    yield thought
                return
        async for thought in self._brain.think(think):
            yield thought


def agent_file(scene: Scene, folder: Path) -> Path:
    """Put the scene's agent with its tools into a folder, with the lines that the scene adds.

    One folder serves all scenes: a process imports the modules of tools once.
    """
    source = AGENTS if (AGENTS / f"{scene.agent}.yaml").exists() else PACKAGED_AGENTS
    for beside in (*source.glob("*.py"), *source.glob("*.yaml")):
        if beside.suffix == ".py" or not (folder / beside.name).exists():
            shutil.copy(beside, folder)
    path = folder / f"{scene.agent}.yaml"
    keys = {line.split(":")[0] for line in scene.more.splitlines()}
    kept = [line for line in (source / path.name).read_text("utf-8").splitlines() if line.split(":")[0] not in keys]
    path.write_text("\n".join([*kept, scene.more, ""]), encoding="utf-8")
    return path


def replace_text(file: Path, text: str, by: str) -> None:
    """Write another text wherever this one stands."""
    file.write_text(file.read_text("utf-8").replace(text, by), encoding="utf-8")


def spoken_to(scene: Scene, port: int) -> dict[str, Any]:
    """Give the settings for a local server that is taken for one of the services."""
    address, key = f"http://127.0.0.1:{port}", Secret("any")
    if scene.service == "openai":
        return {"realtime_provider": "openai", "openai_base_url": address, "openai_api_key": key}
    preview = scene.service == "preview"
    return {
        "realtime_provider": "azure",
        "azure_openai_endpoint": address,
        "azure_openai_api_key": key,
        "azure_openai_deployment": "telephone",
        "azure_openai_model": "gpt-4o-realtime-preview" if preview else "gpt-realtime-2.1",
        "azure_openai_api_version": PREVIEW_VERSION if preview else None,
    }


def voice(speech: Speech, text: str) -> bytes:
    """Say a text, mu-law."""
    down = Downsampler()
    return b"".join(down.feed(pcm) for pcm in speech.speaking.speak(text)) + down.flush()


async def placed(settings: Settings, agent: Path) -> str:
    """Place the call of an agent as `voice-agent dial` does; give its SID."""
    call = plan(Wish(to="+14255550123", variables={"name": "Ana"}), load_agents(agent), settings, utc_now())
    api = open_rest(CallsApi, settings)
    assert api is not None, "the settings name the emulated account"
    try:
        return await api.create(call)
    finally:
        api.close()


async def hold(scene: Scene, agent: Path, speech: Speech, data: Path) -> Path:
    """Hold one call; give its recording."""
    settings = Settings(
        realtime_audio=scene.audio, agents=AGENTS, port=0, data=data, spend_per_call=scene.spend_per_call
    )
    brain, _ = choose_brain(settings)
    loop = asyncio.get_running_loop()
    finished: asyncio.Queue[FinishedCall] = asyncio.Queue()
    reports: defaultdict[str, list[Report]] = defaultdict(list)
    """By CallSid."""

    def keep(call: FinishedCall) -> None:
        """Run in a thread."""
        loop.call_soon_threadsafe(finished.put_nowait, call)

    def stage(call: EmulatedCall) -> Stage:
        return Stage(call, reports[call.sid], lambda text: voice(speech, text))

    async def act(call: EmulatedCall) -> None:
        """Do what the colleague does."""
        assert scene.colleague is not None
        await scene.colleague(stage(call))

    callee = replace(scene.dialled, acts=None if scene.colleague is None else act)
    if scene.placed:
        callee = Callee(is_a=scene.placed, rings_ms=500, greeting=voice(speech, scene.answered_with))
    account_sid, token = "AC" + secrets.token_hex(16), secrets.token_hex(16)

    async def look_up(request: web.Request) -> web.StreamResponse:
        assert request.path == "/callers/+14255550123"
        return web.json_response({"customer": dict(scene.customer)})

    async with (
        asyncio.timeout(LONGEST_S),
        server(look_up) as customers,
        serve_realtime("127.0.0.1", 0, speech, Prompted(brain, scene.calls), faults=scene.faults) as realtime,
        EmulatedTwilio(
            account_sid,
            token,
            switches=scene.switches,
            numbers=[IncomingNumber(phone_number="+14255550100")],
            callees=lambda _: callee,
        ) as twilio,
    ):
        settings = msgspec.structs.replace(
            settings,
            **spoken_to(scene, realtime.port),
            twilio_account_sid=account_sid,
            twilio_auth_token=Secret(token),
            twilio_api_base_url=twilio.base_url,
            twilio_phone_number="+14255550100",
            dial_countries=("+1",),
        )
        replace_text(agent, CUSTOMERS, customers)
        async with Serving(
            settings,
            AgentFolder(agent),
            observers=[lambda sid, _now_ms, report: reports[sid].append(report)],
            keep=[keep],
            now=utc_now if scene.at is None else lambda: scene.at or utc_now(),
        ) as serving:
            if scene.placed:
                call = twilio.calls[await placed(serving.settings, agent)]
                await call.streaming()
            else:
                call = twilio.place_call(f"{serving.url}/twilio/voice", "+14255550123", "+14255550100")
            await scene.play(stage(call))
            if scene.stopped:
                await serving.reception.lobby.end_all("the server stops", 6)
            if scene.connected:
                (session,) = serving.reception.lobby.sessions.values()
                session.end("somebody handed the caller over in the console", to=scene.connected)
                await session.finished()
            call.hang_up()
            await call.ended()
            for _ in range(scene.nth + 1):
                recording = (await finished.get()).recording
    assert recording is not None, "every agent of a scene records"
    return recording


def main(names: list[str]) -> None:
    """Make the named recordings, or those that are not there."""
    speech = load_speech(print)
    with tempfile.TemporaryDirectory() as folder:
        for name in names or [name for name in SCENES if not (FOLDER / f"{name}.call").exists()]:
            scene, data = SCENES[name], Path(folder) / name
            agent = agent_file(scene, Path(folder))
            if scene.before is not None:
                asyncio.run(hold(msgspec.structs.replace(scene, play=scene.before), agent, speech, data))
            recording = asyncio.run(hold(scene, agent, speech, data))
            (FOLDER / f"{name}.call").write_bytes(recording.read_bytes())
            print(f"{name}: {(FOLDER / f'{name}.call').stat().st_size:,} bytes", flush=True)  # noqa: T201 - a program


if __name__ == "__main__":
    main(sys.argv[1:])
