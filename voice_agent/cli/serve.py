"""`voice-agent serve`: answer the phone until somebody stops it."""

import argparse
import asyncio
import contextlib
import gc
import getpass
import importlib.util
import logging
import os
import secrets
import shlex
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from datetime import date
from functools import partial
from typing import TextIO

import msgspec

from voice_agent.cli.main import told
from voice_agent.config.agents import AgentFolder, Agents
from voice_agent.config.password import hashed
from voice_agent.config.references import References, read_references
from voice_agent.config.settings import ENV_FILE, PACKAGED_AGENTS, Settings, doubtful_names, read_settings
from voice_agent.config.sms_tools import mute
from voice_agent.errors import CommandError
from voice_agent.live.capacity import usual_most_calls
from voice_agent.live.clock import utc_now
from voice_agent.live.endpoints import demands_of, endpoint_of, remarks
from voice_agent.live.opened_call import Redact
from voice_agent.recording.redact import read_wanted
from voice_agent.replay.put_away import Redaction
from voice_agent.server.listening_socket import listen, taken_over
from voice_agent.server.local_model import local_realtime
from voice_agent.server.logs import set_up_logging
from voice_agent.server.neighbours import Neighbours, Office
from voice_agent.server.parent import READY, supervise
from voice_agent.server.run import Serving

logger = logging.getLogger(__name__)

SUMMARY = "answer the phone"

SWITCH_SECONDS = 0.0005
"""How long another thread (recordings, tools) may keep the interpreter from the audio path; Python's own 5 ms can be
heard in the 99th percentile."""

MOST_WORKERS = 64

ALL_AT_ONCE_S = 0.2
"""How long signals take to all processes of a name or a group, of which each is sent its own."""

LONGEST_TOLD = 16
"""Bytes that are read of a parent at once."""

PROVIDERS = {"azure": "Azure OpenAI", "openai": "OpenAI", "emulator": "local Realtime server, no account"}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--with-emulator",
        action="store_true",
        help="let the local Realtime server answer, whatever account the settings name",
    )
    parser.add_argument(
        "--hash-password",
        action="store_true",
        help="ask for a password, print what may be set as CONSOLE_PASSWORD instead of it, and do nothing else",
    )
    parser.add_argument(
        "--fd",
        type=int,
        metavar="N",
        help="listen on this socket, which another program has opened, instead of on HOST and PORT",
    )
    parser.add_argument(
        "--workers",
        type=_workers,
        default=1,
        metavar="N",
        help="serve with so many processes on one port, which share MAX_CALLS and all other limits: one a core (1)",
    )


def _workers(given: str) -> int:
    if not given.isdecimal() or not 1 <= int(given) <= MOST_WORKERS:
        raise argparse.ArgumentTypeError(f"{given} is no number from 1 to {MOST_WORKERS}")
    return int(given)


def run(with_emulator: bool = False, hash_password: bool = False, fd: int | None = None, workers: int = 1) -> int:
    """Serve until SIGINT or SIGTERM; 0. Faults of settings, agents, port and folders are raised or told: 2."""
    if hash_password:
        return print_hash(sys.stdin)
    settings = read_settings(os.environ, ENV_FILE)
    if with_emulator:
        settings = msgspec.structs.replace(settings, realtime_provider="emulator", realtime_url=None)
    for line in doubtful_names(os.environ, ENV_FILE):
        print(f"warning: {line}", file=sys.stderr)
    inherited = _of_systemd(os.environ) if fd is None else fd
    with listen(settings.host, settings.port) if inherited is None else taken_over(inherited) as listening:
        if workers > 1 and not hasattr(os, "fork"):
            raise CommandError("--workers needs a system that can fork, as Linux and macOS")
        if hasattr(os, "fork") and (inherited is None or workers > 1):
            return _supervised(settings, listening, workers, replaced=inherited is not None)
        return serve(settings, listening, replaced=inherited is not None)


def say(line: str) -> None:
    """Print a line at once, for whoever waits for the one with the address may read it through a pipe."""
    print(line, flush=True)


def print_hash(given: TextIO) -> int:
    """Ask for a password, on a terminal without showing it, and print its hash; 2: there is none."""
    password = ""
    with contextlib.suppress(EOFError):  # Ctrl-D
        password = getpass.getpass() if given.isatty() else given.readline().rstrip("\n")
    if not password:
        print("the password is empty", file=sys.stderr)
        return 2
    # Quoted, for a shell and for .env alike: it is full of dollar signs.
    print(f"CONSOLE_PASSWORD='{hashed(password, secrets.token_bytes(16))}'")
    return 0


def _supervised(settings: Settings, listening: socket.socket, workers: int, *, replaced: bool) -> int:
    """Serve in processes that are started again when they die."""
    handler = set_up_logging(settings.log_level, settings.log_format)
    office = Office(workers) if workers > 1 else None
    fallen: set[int] = set()
    """Those in whose place another one begins, or has begun."""

    def work(number: int, line: socket.socket) -> int:
        # The server has a handler of its own.
        logging.getLogger().removeHandler(handler)
        neighbours = None if office is None else Neighbours(office, number)
        serving = partial(serve, settings, listening, line, replaced=replaced, neighbours=neighbours)
        return told(partial(serving, tell=say if number == 0 else _silent, shows=number not in fallen))

    def died(number: int) -> None:
        if office is not None:
            office.bury(number)
            fallen.add(number)

    try:
        return supervise(work, listening.close, workers, died)
    finally:
        if office is not None:
            office.close()
        logging.getLogger().removeHandler(handler)


def _of_systemd(environ: Mapping[str, str]) -> int | None:
    """Say which socket systemd has opened for us.

    https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html
    """
    if environ.get("LISTEN_PID") != str(os.getpid()) or environ.get("LISTEN_FDS", "0") == "0":
        return None
    return 3


def serve(
    settings: Settings,
    listening: socket.socket,
    line: socket.socket | None = None,
    *,
    replaced: bool = False,
    neighbours: Neighbours | None = None,
    tell: Callable[[str], None] = say,
    shows: bool = True,
) -> int:
    """Serve on a socket. `line`: to the parent. `replaced`: whoever holds the socket starts another server then.

    `neighbours`: other workers on the same socket; `None`: there are none. `tell` gets what a user sees; `shows`: the
    screen, too, which a worker before us has shown otherwise.
    """
    references = read_references(os.environ, ENV_FILE)
    agents = AgentFolder(settings.agents, demands_of(settings, references))
    redaction = Redaction(read_wanted(settings.redact_words)) if settings.redact else None
    cover = References(settings.secrets).covered
    handler = set_up_logging(settings.log_level, settings.log_format, cover=cover)
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        with asyncio.Runner(loop_factory=_fast_loop()) as runner:
            runner.run(
                hold(
                    settings, agents, tell, redaction, listening,
                    line=line, replaced=replaced, neighbours=neighbours, shows=shows,
                )
            )  # fmt: skip
    finally:
        sys.setswitchinterval(usual)
        logging.getLogger().removeHandler(handler)
    return 0


async def hold(
    settings: Settings,
    agents: AgentFolder,
    tell: Callable[[str], None],
    redact: Redact | None,
    listening: socket.socket,
    *,
    line: socket.socket | None = None,
    replaced: bool = False,
    neighbours: Neighbours | None = None,
    shows: bool = True,
) -> None:
    """Serve until a signal comes; `tell` gets what a user sees, line by line. For the others see `serve`."""
    stop = _Stop(line)
    show = tell if shows else _silent
    async with AsyncExitStack() as stack:
        emulator_url = ""
        if settings.realtime_provider == "emulator" and settings.realtime_url is None:
            emulator_url = await stack.enter_async_context(local_realtime(settings, show))
        serving = Serving(
            settings,
            agents,
            emulator_url=emulator_url,
            redact=redact,
            listening=listening,
            replaced=replaced,
            neighbours=neighbours,
        )
        await stack.enter_async_context(serving)
        if line is not None:
            with contextlib.suppress(OSError):  # the parent is gone: `stop` knows
                line.send(READY)
        today = utc_now().date()
        workers = 1 if neighbours is None else neighbours.seat.workers
        for told_line in screen(serving.settings, agents.latest(), serving.url, emulator_url, today, workers=workers):
            show(told_line)
        # A full collection over what is loaded stops all calls for 20 ms; none of it is ever garbage.
        gc.collect()
        gc.freeze()
        await stop.asked.wait()
        serving.alone = neighbours is not None and await stop.is_for_one()
        waiting = serving.close_to_new_calls()
        if serving.alone and neighbours is not None:
            stopping = f"worker {neighbours.seat.number + 1} stops, the others go on"
            logger.warning("%s", farewell(stopping, waiting, serving.patience_s, hands_over=True))
        else:
            stopping = "the parent process is gone; stopping" if stop.is_orphan else "stopping"
            tell(farewell(stopping, waiting, serving.patience_s, hands_over=serving.hands_over))
        await serving.drain(stop.at_once)
        # All may have been told to stop meanwhile.
        serving.alone = serving.alone and not stop.of_all.is_set()


def farewell(stopping: str, calls: int, patience_s: int, *, hands_over: bool) -> str:
    """Say what becomes of the calls that are left."""
    if not calls:
        return stopping
    what, which, (are, go) = f"{stopping}: {calls}", "calls", ("are", "go")
    if calls == 1:
        which, (are, go) = "call", ("is", "goes")
    if not patience_s:
        return f"{what} {which} {f'{go} on elsewhere' if hands_over else f'{are} ended'}"
    then, once_more = (", then handed over", "for that") if hands_over else ("", "to end")
    return f"{what} {which} {are} waited for (at most {patience_s} s{then}; once more {once_more} at once)"


class _Stop:
    """What is asked for, by signals to this process or by its parent: a stop, and the second time a stop at once.

    A parent that is gone asks, too.
    """

    def __init__(self, line: socket.socket | None) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        self.of_all = asyncio.Event()
        """Set when the parent asks: whatever else it has started stops, too."""
        self.is_orphan = False
        self._line = line
        self._signals = self._by_parent = 0
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._hear_signal)
        if line is not None:
            line.setblocking(False)
            loop.add_reader(line, self._hear_parent)

    async def is_for_one(self) -> bool:
        """Tell whether the parent does not ask, and nobody else is to stop: it may have got its signal after us."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ALL_AT_ONCE_S):
                await self.of_all.wait()
        return not self.of_all.is_set()

    def _hear_signal(self) -> None:
        self._signals += 1
        self._ask()

    def _hear_parent(self) -> None:
        assert self._line is not None
        try:
            told = self._line.recv(LONGEST_TOLD)
        except BlockingIOError:
            return
        except ConnectionResetError:
            told = b""
        if not told:
            self.is_orphan = True
            asyncio.get_running_loop().remove_reader(self._line)
        self._by_parent += len(told) or 1
        self.of_all.set()
        self._ask()

    def _ask(self) -> None:
        self.asked.set()
        # Whoever ends all processes of a group, or of a name, means one stop by what comes here twice.
        if max(self._signals, self._by_parent) > 1:
            self.at_once.set()


def _silent(line: str) -> None:
    """Another worker tells it, or has told it."""


def screen(
    settings: Settings, agents: Agents, url: str, emulator_url: str, today: date, *, workers: int = 1
) -> Iterator[str]:
    """Say in one screen who answers what, and what to enter where."""
    where = endpoint_of(settings, emulator_url)
    yield f"model    {PROVIDERS[where.provider]}: {where.shown} (audio {settings.realtime_audio})"
    for fallback in settings.realtime_fallbacks:
        yield f"         else {fallback.name}: {endpoint_of(fallback.settings).shown}"
    for agent in agents.all:
        numbers = ", ".join(agent.numbers) or "no number"
        yield f"agent    {agent.name}: {numbers}{', and any other number' if agents.for_number('') is agent else ''}"
    kept = f", kept for {settings.keep_days} days" if settings.keep_days is not None else ""
    yield f"data     {settings.data.resolve()}{' (recordings redacted at their end)' if settings.redact else ''}{kept}"
    if settings.recordings_url is not None:
        yield f"         recordings go to {settings.recordings_url} when their calls are over"
    yield f"calls    {', '.join(_limits(settings, workers))}"
    where_seen = settings.public_url if settings.console_password is not None else url
    only = "with CONSOLE_PASSWORD" if settings.console_password is not None else "for this machine only"
    yield f"console  {where_seen}/console ({only}{'; agents can be changed there' if settings.console_edit else ''})"
    if settings.is_public:
        yield "Run voice-agent numbers point +1..., or enter at Twilio (your number, Voice Configuration):"
        yield f"  A call comes in       Webhook, HTTP POST: {settings.public_url}/twilio/voice"
        yield f"  Call status changes   HTTP POST: {settings.public_url}/twilio/status"
    else:
        said = shlex.quote(str(PACKAGED_AGENTS / "callers" / "reception-1.wav"))
        yield "Only this machine can call (PUBLIC_URL is not public)."
        yield f"To hear the agent, speak at {where_seen}/console/phone, or:"
        yield f"  voice-agent emulate call --to {settings.public_url}/twilio/voice --say {said}"
    told = [*warnings(settings, today), *mute(agents.all, settings.has_rest)]
    yield from (f"warning  {line}" for line in told)
    yield f"Listening on {url}; Ctrl-C stops."


def _limits(settings: Settings, workers: int) -> Iterator[str]:
    shared = f", by {workers} workers" if workers > 1 else ""
    yield f"{settings.max_calls or usual_most_calls(workers)} at once{shared}"
    for amount, of in ((settings.spend_per_call, "a call"), (settings.spend_per_day, "a day")):
        if amount is not None:
            yield f"{amount:g} {of} for the model's tokens"


def warnings(settings: Settings, today: date) -> Iterator[str]:
    """Say what works, but not as one may think."""
    yield from remarks(settings, today)
    if settings.is_public and not settings.has_rest:
        yield "TWILIO_ACCOUNT_SID is not set: a call is ended by closing its stream, not by Twilio's REST API"
    if settings.is_public and settings.realtime_provider == "emulator":
        yield "strangers who call talk to the local Realtime server: it understands little"
    if settings.is_public and settings.host not in {"127.0.0.1", "::1", "localhost"}:
        yield f"HOST is {settings.host}: the port is open to the network without TLS; a tunnel needs 127.0.0.1 only"


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Give uvloop's, which halves the cost of a message; it does not exist for Windows."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415 - only where it exists

    return uvloop.new_event_loop
