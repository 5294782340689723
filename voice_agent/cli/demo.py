"""`voice-agent demo`: hold a spoken call on this machine, with no account.

The server, the local Realtime server and the emulated Twilio run as in life, each on its own socket and in real time;
only the caller is a recording. The same agent file serves whatever dialect and audio is chosen.
"""

import argparse
import asyncio
import sys
from pathlib import Path

import msgspec

from voice_agent.audio.levels import rms_dbfs
from voice_agent.audio.wav import write_stereo
from voice_agent.cli.demo_screen import Screen
from voice_agent.config.agents import AgentFolder
from voice_agent.config.settings import PACKAGED_AGENTS, Settings
from voice_agent.emulator.caller import Watch, play
from voice_agent.emulator.scene import ASK, Scene
from voice_agent.emulator.twilio import EmulatedCall
from voice_agent.errors import CommandError
from voice_agent.live.endpoints import endpoint_of
from voice_agent.live.opened_call import FinishedCall
from voice_agent.server.local_model import local_realtime
from voice_agent.server.private_line import private_line
from voice_agent.wire.endpoint import DialectName
from voice_agent.wire.model_session import AudioName

CALLER, CALLED = "+14255550123", "+14255550100"

LONGEST_S = 120.0
"""The scene lasts half a minute; this is for machines that are asleep."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--data", type=Path, default=Path("data"), help="where the call is kept (default: ./data)")
    parser.add_argument(
        "--audio",
        choices=("pcm24k", "g711"),
        default="pcm24k",
        help="how audio reaches the model: resampled, or the telephone's own (default: %(default)s)",
    )
    parser.add_argument(
        "--dialect",
        choices=("ga", "preview"),
        default="ga",
        help="what is spoken with the model: OpenAI's and Azure's /v1, or Azure's older form (default: %(default)s)",
    )


def run(data: Path, audio: AudioName = "pcm24k", dialect: DialectName = "ga") -> int:
    """Hold the call; 0 only if everything that the scene expects came true."""
    print(
        "A call to a dentist's reception: a recorded caller, a local Realtime server, an emulated Twilio. No account."
    )
    try:
        return asyncio.run(_hold(ASK, data, Settings(realtime_audio=audio, realtime_dialect=dialect)))
    except TimeoutError:
        raise CommandError(f"the call did not end within {LONGEST_S:g} s: is this machine overloaded?") from None


async def _hold(scene: Scene, data: Path, settings: Settings) -> int:
    screen, watch, part = Screen(), Watch(), scene.part()
    finished: list[FinishedCall] = []
    async with (
        asyncio.timeout(LONGEST_S),
        local_realtime(settings, lambda line: print(f"  {line}", flush=True)) as realtime_url,
        private_line(
            msgspec.structs.replace(settings, data=data),
            AgentFolder(PACKAGED_AGENTS),
            emulator_url=realtime_url,
            observers=[screen.show, lambda _, __, report: watch.take(report)],
            keep=[finished.append],
        ) as line,
    ):
        model = f"{endpoint_of(settings, realtime_url).shown} ({settings.realtime_audio})"
        print(f"  server {line.url}, Realtime {model}, Twilio's REST API {line.rest_url}\n")
        call = line.ring(CALLER, CALLED)
        played = await play(call, part, watch, greeted=True)
    whole = not played.problem and played.moves == len(part.moves)
    return _conclude(scene, played=whole, screen=screen, call=call, finished=finished, data=data)


def _conclude(
    scene: Scene, *, played: bool, screen: Screen, call: EmulatedCall, finished: list[FinishedCall], data: Path
) -> int:
    expectations = list(scene.expect(screen.reports))
    expectations.append(("the caller could play the part to its end", played))
    expectations.append(("the carrier had nothing to complain about", not call.warnings))
    print()
    for sentence, true in expectations:
        print(f"  {'yes' if true else 'NO '}  {sentence}")
    for entry in call.warnings:
        print(f"       {entry.code}: {entry.problem}")
    if screen.response_ms:
        print(f"\n  response times {', '.join(map(str, screen.response_ms))} ms, from the end of speech to sound")
    levels = f"{rms_dbfs(call.caller_track):.0f} and {rms_dbfs(call.agent_track):.0f} dBFS"
    wav, transcript = _keep(call, finished, data)
    print(f"  WAV         {wav} (caller left, agent right; {levels})")
    print(f"  transcript  {transcript}")
    for one in finished:
        print(f"  recording   {one.recording}")
        print(f"  replay it   {sys.argv[0]} replay {one.recording}")
    return 0 if all(true for _, true in expectations) else 1


def _keep(call: EmulatedCall, finished: list[FinishedCall], data: Path) -> tuple[Path, Path]:
    """Write the WAV and the transcript beside the recording."""
    recording = finished[0].recording if finished else None
    base = recording or data / f"{call.sid}.call"
    wav, transcript = base.with_suffix(".wav"), base.with_suffix(".txt")
    write_stereo(wav, call.caller_track, call.agent_track)
    lines = finished[0].summary.lines if finished else []
    text = "".join(
        f"{line.at_ms // 60_000:02}:{line.at_ms // 1000 % 60:02} {line.who}: {line.text}"
        f"{f' ({line.remark})' if line.remark else ''}\n"
        for line in lines
    )
    transcript.write_text(text, encoding="utf-8")
    return wav, transcript
