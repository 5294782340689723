"""`voice-agent emulate realtime`: a Realtime server on this machine, for anybody's client, until somebody stops it."""

import argparse
import asyncio
import importlib.util
import logging
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from voice_agent.config.settings import ENV_FILE, read_settings
from voice_agent.emulator.brain import Brain
from voice_agent.emulator.brains import choose_brain
from voice_agent.emulator.realtime import RealtimeServer, serve_realtime
from voice_agent.emulator.speech.interfaces import Speech
from voice_agent.emulator.speech.loading import INSTALL, load_speech
from voice_agent.errors import CommandError
from voice_agent.sim.realtime import RealtimeOptions


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: %(default)s)")
    parser.add_argument("--port", type=int, default=9000, help="0 takes a free one (default: %(default)s)")
    parser.add_argument(
        "--tls-port", type=int, metavar="PORT", help="listen for wss:// too, for clients that speak nothing else"
    )
    parser.add_argument(
        "--openai-beta",
        action="store_true",
        help="let the header OpenAI-Beta: realtime=v1 select the preview; otherwise it is refused, as by OpenAI",
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
) -> int:
    """Serve until SIGINT or SIGTERM; 0. Faults of settings, files and the port are raised: 2."""
    settings = read_settings(os.environ, ENV_FILE)
    settings = msgspec.structs.replace(
        settings, llm_url=llm_url or settings.llm_url, llm_model=llm_model or settings.llm_model
    )
    brain, answers = choose_brain(settings, dialogue)
    logging.basicConfig(level=settings.log_level.upper(), format="%(levelname)s %(message)s")
    # The socket library tells of every handshake that a port scan breaks off.
    logging.getLogger("websockets").setLevel(logging.WARNING)
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        print(f"It answers by {answers}.")
        tls = None if tls_port is None else (tls_port, settings.data)
        runner.run(hold(host, port, brain, tls=tls, options=RealtimeOptions(openai_beta=openai_beta)))
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
            server = await stack.enter_async_context(serve_realtime(host, port, speech, brain, options))
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


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Give uvloop's where it is installed; it does not exist for Windows."""
    if importlib.util.find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415 - only where it exists

    return uvloop.new_event_loop
