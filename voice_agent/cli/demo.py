"""`voice-agent demo`: hold a spoken call on this machine, with no account.

The server, the local Realtime server and the emulated Twilio run as in life, each on its own socket and in real time;
only the caller's words are decided before. The same agent file serves whatever dialect and audio is chosen.
"""

import argparse
import asyncio
import sys
from pathlib import Path
from typing import Never

import msgspec

from voice_agent.audio.levels import rms_dbfs
from voice_agent.audio.wav import write_stereo
from voice_agent.call.commands import Report
from voice_agent.cli.demo_screen import Screen
from voice_agent.cli.scenes import SCENES, Scene, scene_named
from voice_agent.config.agents import OneAgent, load_agents
from voice_agent.config.expectations import Expectations
from voice_agent.config.settings import Settings
from voice_agent.emulator.caller import Part, Played, Watch
from voice_agent.emulator.speech.callers import Voice
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.speech.loading import INSTALL, load_speech
from voice_agent.emulator.speech.recorded import caller_sounds
from voice_agent.emulator.speech.speaking import HibariSpeaking
from voice_agent.emulator.twilio import EmulatedCall
from voice_agent.errors import CommandError
from voice_agent.live.endpoints import endpoint_of
from voice_agent.live.opened_call import FinishedCall
from voice_agent.replay.expectations import examine
from voice_agent.replay.held_call import HeldCall
from voice_agent.replay.scenarios import CALLED, CALLER, Callers, clock_of
from voice_agent.replay.talk import FirstCall, take_part
from voice_agent.server.local_model import local_realtime
from voice_agent.server.private_line import private_line
from voice_agent.wire.endpoint import DialectName
from voice_agent.wire.model_session import AudioName

LONGEST_S = 180.0
"""The longest scene lasts a minute; this is for machines that are asleep."""

PITCH = "high"
"""The voice's own: what is understood best."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("scene", nargs="?", default=SCENES[0].name, help="what is played (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="only name the scenes")
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


def run(
    scene: str = SCENES[0].name,
    list: bool = False,  # noqa: A002 - the option's name
    data: Path = Path("data"),
    audio: AudioName = "pcm24k",
    dialect: DialectName = "ga",
) -> int:
    """Hold the call; 0 only if everything that the scene expects came true."""
    if list:
        for one in SCENES:
            print(f"{one.name:<8} {one.told}")
        return 0
    chosen = scene_named(scene)
    print(f"{chosen.told[0].upper()}{chosen.told[1:]}. A local Realtime server, an emulated Twilio. No account.")
    settings = Settings(realtime_audio=audio, realtime_dialect=dialect, agents=chosen.folder)
    try:
        return asyncio.run(_hold(chosen, data, settings))
    except TimeoutError:
        raise CommandError(f"the call did not end within {LONGEST_S:g} s: is this machine overloaded?") from None


async def _hold(scene: Scene, data: Path, settings: Settings) -> int:
    agent, scenario = scene.load()
    screen, watch = Screen(), Watch()

    def take(now_ms: int, report: Report) -> None:
        screen.show(now_ms, report)
        watch.take(report)

    first = FirstCall(take)
    finished: list[FinishedCall] = []
    speech = await asyncio.to_thread(load_speech, _tell)
    part = await asyncio.to_thread(Callers(_voice_of(speech), caller_sounds(), noise=False).part, scenario, PITCH)
    async with (
        asyncio.timeout(LONGEST_S),
        local_realtime(settings, _tell, speech, faults=scene.faults) as realtime_url,
        private_line(
            msgspec.structs.replace(settings, data=data),
            OneAgent(agent, others=load_agents(scene.folder).all),
            emulator_url=realtime_url,
            observers=[first.observe],
            keep=[finished.append],
            now=clock_of(scenario, agent),
            given=scenario.given,
        ) as line,
    ):
        model = f"{endpoint_of(settings, realtime_url).shown} ({settings.realtime_audio})"
        print(f"  server {line.url}, Realtime {model}, Twilio's REST API {line.rest_url}\n")
        call, played = await take_part(line, agent, part, watch, caller=CALLER, called=CALLED, given=scenario.given)
    good = _judge(scenario.expect, screen, part, played, call)
    _tell_what_is_kept(screen, call, first.of(finished), data)
    return 0 if good else 1


def _tell(line: str) -> None:
    print(f"  {line}", flush=True)


def _voice_of(speech: Speech) -> Voice:
    """The agent's voice speaks for the callers, too."""
    return speech.speaking if isinstance(speech.speaking, HibariSpeaking) else _NoVoice()


class _NoVoice:
    """For machines on which only recorded callers can speak."""

    def synthesise(self, text: str, speed: float = 1.0) -> Never:
        """Raise."""
        del speed
        raise CommandError(f'nobody can say "{text}" here: a voice is needed ({INSTALL}); "demo ask" needs none')


def _judge(expected: Expectations, screen: Screen, part: Part, played: Played, call: EmulatedCall) -> bool:
    """Show what was expected, and whether it came true."""
    held = HeldCall(screen.timed_reports, "")
    broken = played.problem or ("" if played.moves == len(part.moves) else "the agent ended the call")
    judged = [(sentence, [str(one) for one in missed]) for sentence, missed in examine(expected, held)]
    judged.append(("the caller could play the part to its end", [broken] if broken else []))
    complaints = [f"{entry.code}: {entry.problem}" for entry in call.warnings]
    judged.append(("the carrier had nothing to complain about", complaints))
    print()
    for sentence, problems in judged:
        print(f"  {'NO ' if problems else 'yes'}  {sentence}")
        for problem in problems:
            print(f"       {problem}")
    return not any(problems for _, problems in judged)


def _tell_what_is_kept(screen: Screen, call: EmulatedCall, finished: list[FinishedCall], data: Path) -> None:
    if screen.response_ms:
        print(f"\n  response times {', '.join(map(str, screen.response_ms))} ms, from the end of speech to sound")
    levels = f"{rms_dbfs(call.caller_track):.0f} and {rms_dbfs(call.agent_track):.0f} dBFS"
    wav, transcript = _keep(call, finished, data)
    print(f"  WAV         {wav} (caller left, agent right; {levels})")
    print(f"  transcript  {transcript}")
    for one in finished:
        print(f"  recording   {one.recording}")
        print(f"  replay it   {sys.argv[0]} replay {one.recording}")


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
