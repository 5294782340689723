"""`voice-agent dial`: lets an agent call a number, shows how far the call is; what came of it is its exit status.

The server at `PUBLIC_URL` holds the call; Twilio is asked here for the call, see `dial_watch` for its course. A list of
numbers is `dial_list`'s.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import requests

from voice_agent.cli.dial_list import dial_list
from voice_agent.cli.dial_watch import EVERY_S, MODEL_FAILED, callbacks_of, follow, outcome_of
from voice_agent.config.agents import Agents, load_agents
from voice_agent.config.settings import ENV_FILE, Settings, read_settings
from voice_agent.config.variables import is_loopback
from voice_agent.errors import CommandError
from voice_agent.live.clock import utc_now
from voice_agent.recording.format import SUFFIX
from voice_agent.recording.reader import Recording, read
from voice_agent.replay.carrier_findings import findings_of, told_finding
from voice_agent.server.recordings import recordings_of
from voice_agent.store.recordings import Recordings
from voice_agent.twilio_api.calls import CallsApi
from voice_agent.twilio_api.dialler import Dialler
from voice_agent.twilio_api.dialling import OutboundCall, Wish, plan
from voice_agent.twilio_api.rest import open_rest

SUMMARY = "let an agent call a number, or the numbers of a list"

EXIT_STATUS = {
    "completed": 0,
    "busy": 10,
    "no-answer": 11,
    "failed": 12,
    "canceled": 13,
    "machine": 14,
    MODEL_FAILED: 15,
}

TIMEOUT_S = 15.0
"""For one request to Twilio; nobody is on the line."""

AT_ONCE = 5

HEALTH_S = 10.0

RECORDED_S = 10
"""How long the end of a call's recording may take to reach the disk."""

WHAT_TO_DO = (
    "On the phone that is called now, so that all of it can be seen:",
    "  1. answer, and say something when the agent has greeted you;",
    "  2. speak into one of its answers, so that it stops;",
    "  3. be silent for five seconds;",
    "  4. hang up yourself.",
)

Tell = Callable[[str], None]

_EPILOG = f"""exit status for one number: {", ".join(f"{code} {name}" for name, code in EXIT_STATUS.items())};
with --verify 1 the carrier does otherwise than is counted on; for a list: 0 every number was called, 1 not all of
them; 2 wrong usage or surroundings"""


def _show(line: str) -> None:
    print(line, flush=True)


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = _EPILOG
    parser.add_argument("number", nargs="?", default="", metavar="+1…", help="whom to call, E.164")
    parser.add_argument(
        "--agent", default="", metavar="NAME", help="who calls; may be left out where there is one only"
    )
    parser.add_argument(
        "--var", action="append", default=[], metavar="NAME=VALUE", help="a value for one of the agent's variables"
    )
    parser.add_argument(
        "--from", dest="from_", default="", metavar="+1…", help="instead of TWILIO_PHONE_NUMBER, or the agent's number"
    )
    parser.add_argument(
        "--list",
        dest="listed",
        type=Path,
        metavar="FILE.csv",
        help="call all its numbers, each once: a column `number`, and one for each variable; begun again, it goes on",
    )
    parser.add_argument(
        "--verify",
        action="store_true",
        help="say what to do on that phone, then what the call tells of the carrier, and keep its recording",
    )
    parser.add_argument(
        "--at-once", type=int, default=AT_ONCE, metavar="N", help="calls of a list at a time (default: %(default)s)"
    )


def run(*, number: str, agent: str, var: list[str], from_: str, listed: Path | None, verify: bool, at_once: int) -> int:
    """Call; see the exit statuses. What keeps anything from being dialled is raised: 2."""
    if bool(number) == (listed is not None):
        raise CommandError("say one number to call, or a --list of them")
    if verify and listed is not None:
        raise CommandError("--verify is for one number: that of a phone in your hand")
    if at_once < 1:
        raise CommandError("--at-once must be 1 or more")
    settings = read_settings(os.environ, ENV_FILE)
    agents = load_agents(settings.agents)
    wish = Wish(to=number, agent=agent, variables=_variables(var), from_=from_)
    if listed is not None:
        return asyncio.run(call_list(settings, agents, wish, listed, at_once=at_once))
    call = plan(wish, agents, settings, utc_now())
    return asyncio.run((verify_carrier if verify else call_one)(settings, call))


def _variables(given: list[str]) -> dict[str, str]:
    pairs = [item.partition("=") for item in given]
    for name, equals, _ in pairs:
        if not (name and equals):
            raise CommandError(f"--var {name}{equals}: write NAME=VALUE")
    return {name: value for name, _, value in pairs}


async def call_one(settings: Settings, call: OutboundCall, tell: Tell = _show, every_s: float = EVERY_S) -> int:
    """Call one number and follow it, `tell`ing line by line; see the exit statuses."""
    _, outcome = await _call(settings, call, tell, every_s)
    return EXIT_STATUS[outcome]


async def verify_carrier(settings: Settings, call: OutboundCall, tell: Tell = _show, every_s: float = EVERY_S) -> int:
    """Call a phone in somebody's hand, and hold what is assumed of the carrier against what it did; 1: not all is."""
    for line in WHAT_TO_DO:
        tell(line)
    sid, outcome = await _call(settings, call, tell, every_s)
    if outcome not in ("completed", "machine"):
        return EXIT_STATUS[outcome]
    with tempfile.TemporaryDirectory(prefix="voice-agent-") as fetched:
        return await _judge_carrier(settings, recordings_of(settings, Path(fetched)), sid, tell)


async def _judge_carrier(settings: Settings, recordings: Recordings, sid: str, tell: Tell) -> int:
    recording = await _recording(recordings, sid)
    if recording is None:
        where = f"no recording of {sid} under {settings.data}; where it is:"
        raise CommandError(f"{where} voice-agent calls show {sid} --carrier")
    findings = findings_of(read(recording))
    for found in findings:
        tell(told_finding(found))
    tell(f"kept: {recording}")
    return 1 if any(found.verdict == "refuted" for found in findings) else 0


async def _recording(recordings: Recordings, sid: str) -> Path | None:
    """Find a call's recording when its end has been written."""
    found = None
    for _ in range(RECORDED_S):
        found = next(recordings.folder.rglob(f"*-{sid}{SUFFIX}"), None)
        if found is None and (there := await asyncio.to_thread(recordings.of_call, sid)):
            return recordings.file(there[0])
        if found is not None and _is_whole(read(found)):
            break
        await asyncio.sleep(1)
    return found


def _is_whole(recording: Recording) -> bool:
    for _ in recording.steps():
        pass
    return recording.cut_at is None


async def _call(settings: Settings, call: OutboundCall, tell: Tell, every_s: float) -> tuple[str, str]:
    """Call and follow; gives the call's SID and its outcome."""
    api = _api(settings)
    try:
        await look_whether_served(settings)
        tell(f"calling {call.to} from {call.from_}, agent {call.agent}")
        placed: list[str] = []
        try:
            sid = await Dialler(api, settings.dial_per_second).place(call, placed.append)
            course = await follow(api, sid, _timed(tell), every_s, callbacks_of(settings))
        except asyncio.CancelledError:
            for sid in placed:
                tell(f"{sid} is being ended")
                if problem := await api.hang_up(sid):
                    tell(f"it is not known whether {sid} has ended: {problem}")
            if not placed:
                tell("Twilio has taken no call, as far as it says; see console.twilio.com, Monitor, Calls")
            raise
    finally:
        api.close()
    outcome = outcome_of(course)
    tell(f"{outcome}: {sid}")
    return sid, outcome


async def call_list(
    settings: Settings,
    agents: Agents,
    wish: Wish,
    listed: Path,
    *,
    at_once: int,
    tell: Tell = _show,
    every_s: float = EVERY_S,
) -> int:
    """Call the numbers of a list; see the exit statuses."""
    api = _api(settings)
    try:
        return await dial_list(
            listed,
            wish,
            lambda one: plan(one, agents, settings, utc_now()),
            Dialler(api, settings.dial_per_second),
            api,
            at_once=at_once,
            tell=tell,
            every_s=every_s,
            before=lambda: look_whether_served(settings),
            callbacks=callbacks_of(settings),
        )
    finally:
        api.close()


def _api(settings: Settings) -> CallsApi:
    api = open_rest(CallsApi, settings, TIMEOUT_S)
    if api is None:
        raise CommandError("TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN must be set; see console.twilio.com")
    return api


async def look_whether_served(settings: Settings) -> None:
    """Make sure that somebody would hold the call, and does not just stop; raises `CommandError`."""
    url = f"{settings.public_url}/readyz"

    def ask() -> str:
        with requests.Session() as session:
            # A proxy of the environment leads away from this machine.
            session.trust_env = not is_loopback(url)
            return session.get(url, timeout=HEALTH_S).text

    answer = ""
    with suppress(requests.RequestException):
        answer = await asyncio.to_thread(ask)
    if answer.partition("\n")[0] != "ready":
        raise CommandError(
            f"no server takes calls at {settings.public_url} (PUBLIC_URL), so nobody would speak; run voice-agent serve"
        )


def _timed(tell: Tell) -> Tell:
    began = asyncio.get_running_loop().time()
    return lambda what: tell(f"{asyncio.get_running_loop().time() - began:7.1f} s  {what}")
