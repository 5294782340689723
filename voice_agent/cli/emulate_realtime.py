"""`voice-agent emulate realtime`: a Realtime server on this machine, for anybody's client, until somebody stops it."""

import argparse
import asyncio
import importlib.util
import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from voice_agent.cli.emulate_call import port_number
from voice_agent.config.settings import ENV_FILE, doubtful_names, read_settings
from voice_agent.emulator.brain import Brain
from voice_agent.emulator.brains import choose_brain
from voice_agent.emulator.faults import HEADER, QUERY
from voice_agent.emulator.realtime import RealtimeServer, serve_realtime
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.speech.loading import INSTALL, load_speech
from voice_agent.errors import CommandError, PeerError
from voice_agent.sim.realtime import RealtimeOptions, parse_faults
from voice_agent.sim.realtime.faults import KINDS

_MOST_MINUTES = 1440

_FAULTS = f"""faults
  So that a client can be tested against what goes wrong, a session has faults on request: by the header {HEADER},
  by the query &{QUERY}= of the address, or of all sessions by --fault. Several, parted by commas, work together;
  seconds count from the session's beginning. For example: ?model=any&fault=delay=300,close=1011@5
  With --fault, semicolons part the faults of the first session, the second and so on; the last part is that of all
  that follow: --fault "drop@5;" breaks the first connection and no other.

{{kinds}}"""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _FAULTS.format(kinds="\n".join(f"  {name:<27}{what}" for name, what in KINDS.items()))
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=port_number, default=9000, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--tls-port",
        type=port_number,
        metavar="PORT",
        help="listen for wss:// too, for clients that speak nothing else",
    )
    parser.add_argument(
        "--openai-beta",
        action="store_true",
        help="let the header OpenAI-Beta: realtime=v1 select the preview; otherwise it is refused, as by OpenAI",
    )
    parser.add_argument(
        "--session-minutes",
        type=_minutes,
        default=60.0,
        metavar="MINUTES",
        help="how long a session lasts at most (default: %(default)g, as at the services); try the end with 0.5",
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="FAULTS", help="what goes wrong in every session; see below"
    )
    parser.add_argument("--dialogue", type=Path, metavar="FILE", help="answer every session by this dialogue file")
    parser.add_argument("--llm-url", metavar="URL", help="answer by this OpenAI-compatible chat endpoint (or LLM_URL)")
    parser.add_argument("--llm-model", metavar="NAME", help="the model to ask for there (or LLM_MODEL)")


def run(
    host: str = "127.0.0.1",
    port: int = 9000,
    dialogue: Path | None = None,
    llm_url: str | None = None,
    llm_model: str | None = None,
    *,
    tls_port: int | None = None,
    openai_beta: bool = False,
    session_minutes: float = 60.0,
    fault: list[str] | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM; 0. Faults of settings, files and the port are raised: 2."""
    faults = ",".join(fault or [])
    try:
        for part in faults.split(";"):
            parse_faults(part)
    except PeerError as error:
        raise CommandError(f"--fault: {error}") from None
    given = {"LLM_URL": llm_url, "LLM_MODEL": llm_model}
    environ = {**os.environ, **{name: value for name, value in given.items() if value}}
    settings = read_settings(environ, ENV_FILE)
    if llm_model and settings.llm_url is None:
        raise CommandError("--llm-model needs --llm-url, or LLM_URL: who has that model?")
    for line in doubtful_names(environ, ENV_FILE):
        print(f"warning: {line}", file=sys.stderr)
    brain, answers = choose_brain(settings, dialogue)
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(message)s")
    # The socket library tells of every handshake that a port scan breaks off.
    logging.getLogger("websockets").setLevel(logging.WARNING)
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        print(f"It answers by {answers}.")
        tls = None if tls_port is None else (tls_port, settings.data)
        options = RealtimeOptions(openai_beta=openai_beta, session_minutes=session_minutes)
        runner.run(hold(host, port, brain, tls=tls, options=options, faults=faults))
    return 0


async def hold(
    host: str,
    port: int,
    brain: Brain,
    tell: Callable[[str], None] = print,
    load: Callable[[Callable[[str], None]], Speech] = load_speech,
    *,
    tls: tuple[int, Path] | None = None,
    options: RealtimeOptions | None = None,
    faults: str = "",
) -> None:
    """Load the models and serve until a signal comes; `tls`: on that port, too, with a certificate kept there."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, stop.set)
    try:
        speech = await asyncio.to_thread(load, tell)
        async with AsyncExitStack() as stack:
            server = await stack.enter_async_context(serve_realtime(host, port, speech, brain, options, faults=faults))
            if tls is not None:
                tell(await _open_tls(stack, server, *tls))
            tell(f"Listening on {server.url}?model=any with any key; Ctrl-C stops.")
            await stop.wait()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


async def _open_tls(stack: AsyncExitStack, server: RealtimeServer, port: int, folder: Path) -> str:
    """Open the TLS port until the stack is left; gives the line that says how to use it. Raises `CommandError`."""
    try:
        from voice_agent.emulator.tls import own_certificate, tls_front  # noqa: PLC0415 - only for who wants it
    except ModuleNotFoundError as missing:
        raise CommandError(f"--tls-port needs the package {missing.name}: {INSTALL}") from None
    certificate = own_certificate(folder)
    taken = await stack.enter_async_context(tls_front(server.host, port, (server.host, server.port), certificate))
    return f"Listening on wss://localhost:{taken}/v1/realtime, too; clients trust NODE_EXTRA_CA_CERTS={certificate}"


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = 0.0
    if not 0 < minutes <= _MOST_MINUTES:
        raise argparse.ArgumentTypeError(f"{text!r} is no time between 0 and {_MOST_MINUTES} minutes")
    return minutes


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Give uvloop's where it is installed; it does not exist for Windows."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415 - only where it exists

    return uvloop.new_event_loop
