"""Other people's phone agents between our two stand-ins: they must be able to talk, and be interrupted.

Each is a witness twice: of the Realtime server, which it has to understand, and of the emulated carrier, whose `clear`,
marks and pace it relies on. What each believes to have been heard is shown beside what the carrier played.
"""

import asyncio
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.support.openai_types import faults
from tests.support.realtime_client import tone
from tests.system.relays import Notes, noting_relay, slow_line
from tests.system.talking_server import hear, talking_server
from voice_agent.audio.resample import Downsampler, Upsampler
from voice_agent.config.agents import AgentFolder
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.speech.loading import load_speech
from voice_agent.emulator.speech.recorded import utterance as caller_says
from voice_agent.emulator.twilio import EmulatedCall, EmulatedTwilio
from voice_agent.server.run import Serving

ACCOUNT_SID, TOKEN = "AC00000000000000000000000000000001", "0123456789abcdef0123456789abcdef"
CALLER, CALLED = "+14255550199", "+14255550100"
SECONDS = 90.0
PATIENCE_S = 20.0

SET_UP_MS = 1500
"""Into the stream every agent's session is set up."""
HEARD_MS = 2000
"""Of the story, before the caller breaks in."""
OUR_ERROR_MS = 40
"""Two frames: what playback by marks and frames promises."""
THEIR_ERROR_MS = 3000
"""Only so that nonsense is noticed; the figures themselves are in README.md."""

WITNESSES = {
    "pipecat": ("tests.system.witnesses.pipecat_bot",),
    "openai-agents, marks": ("tests.system.witnesses.agents_bot", "--tracker", "marks"),
    "openai-agents, clock": ("tests.system.witnesses.agents_bot", "--tracker", "clock"),
    "@openai/agents": ("agents_bot.mjs",),
}
"""Modules of Python, and a script of JavaScript."""

ENDS, ENDING = "pipecat, ends the call", (*WITNESSES["pipecat"], "--end-after", "2")
OURS = "voice-agent"
SCRIPTS = Path(__file__).parent / "js"
QUIET = {"OPENAI_AGENTS_DISABLE_TRACING": "1", "PYTHONWARNINGS": "ignore"}
"""Nothing of a test leaves this machine."""

AGENT = """
name: reception
default: true
numbers: ["+14255550100"]
instructions: You answer the phone.
recording: off
"""


@asynccontextmanager
async def bot(name: str, realtime_url: str, rest_url: str) -> AsyncIterator[int]:
    """Run a witness; gives its port."""
    program, *more = {**WITNESSES, ENDS: ENDING}[name]
    if program.endswith(".mjs"):
        command = ["node", "--no-warnings", str(SCRIPTS / program), realtime_url]
    else:
        command = [sys.executable, "-m", program, "--realtime-url", realtime_url, "--rest-url", rest_url, *more]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env={**os.environ, **QUIET}
    )
    try:
        assert process.stdout is not None, "it was asked for"
        line = await process.stdout.readline()
        assert line.strip().isdigit(), f"{name} did not start"
        yield int(line)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Scene(msgspec.Struct):
    """A call to a witness, and all that can be known of it."""

    call: EmulatedCall
    notes: Notes


async def hold(
    name: str,
    folder: Path,
    play: Callable[[EmulatedCall], Awaitable[None]],
    *,
    heard: tuple[str, ...] = (),
    speech: Speech | None = None,
    one_way_ms: int = 0,
) -> Scene:
    """Hold one call: caller - emulated carrier - witness - relay - local Realtime server."""
    async with asyncio.timeout(SECONDS), AsyncExitStack() as stack:
        server = await stack.enter_async_context(talking_server(*heard, speech=speech))
        notes = await stack.enter_async_context(noting_relay(server.url))
        twilio = await stack.enter_async_context(EmulatedTwilio(ACCOUNT_SID, TOKEN))
        line = await stack.enter_async_context(slow_line(one_way_ms))
        if name == OURS:
            line.to_port = await _our_port(stack, folder, notes.url, twilio.base_url, line.port)
            call = twilio.place_call(f"http://127.0.0.1:{line.port}/twilio/voice", CALLER, CALLED)
        else:
            line.to_port = await stack.enter_async_context(bot(name, notes.url, twilio.base_url))
            call = twilio.place_stream(f"ws://127.0.0.1:{line.port}/media", CALLER, CALLED)
        assert await call.streaming(PATIENCE_S), call.timeline
        await play(call)
        call.hang_up()
        await call.settled()
    return Scene(call, notes)


async def _our_port(stack: AsyncExitStack, folder: Path, realtime_url: str, rest_url: str, public_port: int) -> int:
    (folder / "reception.yaml").write_text(AGENT)
    # The server signs for the address that the carrier calls, and a port of its own choice it would take for that one.
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = msgspec.structs.replace(
        Settings(),
        port=port,
        public_url=f"http://127.0.0.1:{public_port}",
        data=folder / "data",
        realtime_url=realtime_url,
        twilio_account_sid=ACCOUNT_SID,
        twilio_auth_token=Secret(TOKEN),
        twilio_api_base_url=rest_url,
    )
    await stack.enter_async_context(Serving(settings, AgentFolder(folder)))
    return int(port)


def spoken(pcm_24k: bytes) -> bytes:
    """As the caller's telephone sends it."""
    down = Downsampler()
    return down.feed(pcm_24k) + down.flush()


class Interruption:
    """A caller asks for a story, listens to two seconds of it, and breaks in; what the carrier saw of it."""

    def __init__(self) -> None:
        self.broke_in_ms = 0
        self.cut_ms = 0
        """When the first `clear` came after the caller had broken in."""
        self.heard_ms = 0
        """What the carrier played of the story: the truth."""
        self.answered = False
        """The agent spoke again."""

    async def play(self, call: EmulatedCall) -> None:
        """Play the caller's part; see `hold`."""
        carrier = call.streams[0].carrier
        await call.wait_until(lambda: carrier.now_ms >= SET_UP_MS, PATIENCE_S)
        assert await call.agent_silent(900, PATIENCE_S), call.timeline  # a greeting, with some
        asked_ms = carrier.now_ms
        call.say(spoken(tone(700)))
        assert await call.agent_began(PATIENCE_S), call.timeline
        assert await call.agent_spoke(HEARD_MS, PATIENCE_S), call.timeline
        self.broke_in_ms = carrier.now_ms
        call.say(spoken(tone(700)))
        assert await call.wait_until(lambda: self._cut(call), PATIENCE_S), call.timeline
        self.heard_ms = sum(len(audio) for at_ms, audio in carrier.played if asked_ms <= at_ms < self.cut_ms) // 8
        await call.agent_silent(300, PATIENCE_S)
        self.answered = await call.wait_until(lambda: call.hearing is not None and call.hearing.silent_ms < 100, 10)

    def _cut(self, call: EmulatedCall) -> bool:
        self.cut_ms = next((at_ms for at_ms in call.streams[0].carrier.clears_ms if at_ms >= self.broke_in_ms), 0)
        return self.cut_ms > 0


@pytest.mark.parametrize(("story", "one_way_ms"), [("a story", 0), ("a story", 100), ("a slow story", 0)])
@pytest.mark.parametrize("name", [*WITNESSES, OURS])
def test_an_interrupted_agent_clears_the_line_and_truncates_what_it_said(
    name: str, story: str, one_way_ms: int, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    seen = Interruption()
    scene = asyncio.run(hold(name, tmp_path, seen.play, heard=(story, "stop"), one_way_ms=one_way_ms))

    truncated = [event["audio_end_ms"] for event in scene.notes.of("client", "conversation.item.truncate")]
    tell(
        f"{name:20}  {story:12}  line {one_way_ms:3} ms: cut {seen.cut_ms - seen.broke_in_ms:3} ms after the break-in; "
        f"{seen.heard_ms} ms were heard, it said {truncated} ({truncated[0] - seen.heard_ms:+} ms); "
        f"{len(scene.call.streams[0].carrier.clears_ms)} clears"
    )
    assert_both_stand_ins_are_content(scene)
    assert len(truncated) == 1
    assert abs(truncated[0] - seen.heard_ms) <= (OUR_ERROR_MS if name == OURS else THEIR_ERROR_MS)
    assert seen.answered, scene.call.timeline


@pytest.mark.parametrize("name", ["pipecat", "openai-agents, marks", "@openai/agents", OURS])
def test_a_spoken_turn_is_heard_and_answered(name: str, tmp_path: Path, speech: Speech) -> None:
    async def ask(call: EmulatedCall) -> None:
        carrier = call.streams[0].carrier
        await call.wait_until(lambda: carrier.now_ms >= SET_UP_MS, PATIENCE_S)
        call.say(caller_says("reception-1"))
        await call.caller_finished(PATIENCE_S)
        assert await call.agent_began(PATIENCE_S), call.timeline
        assert await call.agent_silent(900, PATIENCE_S), call.timeline

    scene = asyncio.run(hold(name, tmp_path, ask, speech=speech))

    said = scene.notes.of("server", "response.output_audio_transcript.done")[-1]
    up = Upsampler()
    heard = hear(speech.hearing.recognise, up.feed(scene.call.agent_track) + up.flush())
    assert_both_stand_ins_are_content(scene)
    assert "services" in said["transcript"].lower()
    assert words(said["transcript"]) <= words(heard), heard


def test_a_witness_ends_the_call_by_rest_as_it_would_with_twilio(tmp_path: Path) -> None:
    async def listen(call: EmulatedCall) -> None:
        await asyncio.wait_for(call.ended(), PATIENCE_S)

    scene = asyncio.run(hold(ENDS, tmp_path, listen))

    assert "ended by REST" in [moment.what for moment in scene.call.timeline]
    assert scene.call.status == "completed"
    assert_both_stand_ins_are_content(scene)


def words(text: str) -> set[str]:
    """In lower case, without punctuation; short ones are anybody's guess on a telephone."""
    return {word for word in re.findall(r"[a-z]+", text.lower()) if len(word) > 3}


def assert_both_stand_ins_are_content(scene: Scene) -> None:
    """Neither the Realtime server nor the carrier had anything to complain about, and the server spoke by the book."""
    assert scene.notes.of("server", "error") == []
    assert [fault for told in scene.notes.told if told.by == "server" for fault in faults(told.event)] == []
    assert scene.call.warnings == []


@pytest.fixture(scope="module")
def speech() -> Speech:
    """Real speech, loaded once."""
    return load_speech(lambda _: None)
