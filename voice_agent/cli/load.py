"""`voice-agent load`: how many calls a bridge carries on this machine, and what they cost."""

import argparse
import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from voice_agent.cli.emulate_call import examine_address, examine_output, port_number, token_of
from voice_agent.config.settings import ENV_FILE, read_settings
from voice_agent.config.variables import is_loopback
from voice_agent.emulator.load.account import MOST_P99_MS, Level, Spread
from voice_agent.emulator.load.callers import Admission, by_webhook, straight_to
from voice_agent.emulator.load.coded_audio import CALLS
from voice_agent.emulator.load.level import Lag, hold_level, lag_of
from voice_agent.emulator.load.own_server import own_server
from voice_agent.emulator.load.picture import draw
from voice_agent.emulator.load.ramp import Ramp
from voice_agent.emulator.load.scripted_model import EVERY_S, ScriptedModel, scripted_model
from voice_agent.emulator.load.watching import Processes, cores
from voice_agent.errors import CommandError

SUMMARY = "find out how many calls a bridge carries on this machine, and what they cost"

MOST_CALLS = 200
SECONDS = 10.0
MOST_SECONDS = 600.0
INTERRUPT = 5
MODEL_PORT = 9100
MOST_WORKERS = 64

TERMINATED = 128 + signal.SIGTERM
"""The exit status that shells give such a process."""


class Report(msgspec.Struct, frozen=True):
    """What `--out` holds."""

    to: str
    capacity: int | None
    """The most calls with added latency below 20 ms at the 99th percentile and nothing lost; `None`: not looked for."""
    limited_by: str
    """`bridge`, `load` (callers and model were late themselves), or `most` (more calls were not allowed)."""
    cores: int
    levels: tuple[Level, ...]


class _Target(NamedTuple):
    to: str
    admission: Admission
    processes: Processes | None
    lag: Lag | None


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument(
        "--to",
        metavar="URL",
        help="a voice webhook or a stream (ws) of this machine whose REALTIME_URL leads to the scripted model; without "
        "it a voice-agent serve is started, on a core of its own",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="so many processes of the server that is started, each with a core of its own if there is one "
        "(default: %(default)s)",
    )
    parser.add_argument("--calls", type=int, metavar="N", help="so many calls, instead of looking for the capacity")
    parser.add_argument(
        "--most", type=int, default=MOST_CALLS, metavar="N", help="never more calls than these (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=SECONDS,
        metavar="N",
        help=f"how long a level is measured, {EVERY_S:g} at least (default: %(default)g)",
    )
    parser.add_argument(
        "--interrupt",
        type=int,
        default=INTERRUPT,
        metavar="N",
        help="every Nth answer is interrupted by the caller; 0: none (default: %(default)s)",
    )
    parser.add_argument(
        "--audio",
        choices=["pcm24k", "g711"],
        default="pcm24k",
        help="how audio crosses the model's socket of the server that is started (default: %(default)s)",
    )
    parser.add_argument(
        "--model-port",
        type=port_number,
        default=MODEL_PORT,
        metavar="PORT",
        help="with --to: where the scripted model listens (default: %(default)s)",
    )
    parser.add_argument("--pid", type=int, metavar="N", help="with --to: the server's process, for CPU and memory")
    parser.add_argument(
        "--auth-token",
        metavar="TOKEN",
        help="signs the requests; otherwise TWILIO_AUTH_TOKEN, or the token that the local serve keeps under DATA",
    )
    parser.add_argument("--out", type=Path, metavar="FILE.json", help="write all figures there")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw latency and CPU against calls there")


def run(
    *,
    to: str | None,
    workers: int,
    calls: int | None,
    most: int,
    seconds: float,
    interrupt: int,
    audio: str,
    model_port: int,
    pid: int | None,
    auth_token: str | None,
    out: Path | None,
    picture: Path | None,
) -> int:
    """Load a bridge; 0, or 1 if it did not carry `calls` or a single call. Wrong arguments raise `CommandError`.

    SIGTERM ends it with all that it has started.
    """
    if (calls is not None and not 1 <= calls <= CALLS) or not 1 <= most <= CALLS:
        raise CommandError(f"--calls and --most: from 1 to {CALLS}, the calls that can be told apart")
    if not EVERY_S <= seconds <= MOST_SECONDS:
        raise CommandError(f"--seconds: from {EVERY_S:g}, in which every call is answered once, to {MOST_SECONDS:g}")
    if interrupt < 0:
        raise CommandError("--interrupt: 0 or more")
    if not 1 <= workers <= MOST_WORKERS:
        raise CommandError(f"--workers: from 1 to {MOST_WORKERS}")
    if to is not None:
        examine_address(to)
        if not is_loopback(to):
            raise CommandError(f"--to {to} is not on this machine: load is for servers that nobody else uses")
        if auth_token is None:
            auth_token = token_of(read_settings(os.environ, ENV_FILE), None)
    for path in filter(None, (out, picture)):
        examine_output(path)
    levels: list[Level] = []
    target = _given(to, model_port, pid, auth_token or "", interrupt) if to else _own(audio, interrupt, workers)
    try:
        report = _runner()(_load(target, levels, calls=calls, most=most, seconds=seconds))
    except asyncio.CancelledError:
        return TERMINATED
    if out is not None:
        out.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    if picture is not None:
        picture.write_text(draw({to or f"voice-agent serve, {audio}": levels}), encoding="utf-8")
    _print(_verdict(report, calls))
    return 0 if (levels[0].carried if calls is not None else report.capacity) else 1


def _runner() -> Callable[..., Report]:
    try:
        import uvloop  # noqa: PLC0415 - not where there is none
    except ImportError:
        return asyncio.run
    return uvloop.run


def _print(line: str) -> None:
    print(line, flush=True)


@asynccontextmanager
async def _own(audio: str, interrupt: int, workers: int) -> AsyncIterator[tuple[_Target, ScriptedModel]]:
    """Start a server; of two or more cores each of its workers has one for itself, as long as one is left for us."""
    async with (
        scripted_model(interrupt=interrupt) as model,
        own_server(model.url, audio, workers=workers) as server,
    ):
        processes, ourselves = Processes(server.process_id), Processes(os.getpid())
        allowed = cores()
        if len(allowed) > workers:
            processes.keep_to(allowed[-workers:])
            ourselves.keep_to_itself(allowed[:-workers])
        try:
            admission = by_webhook(f"{server.url}/twilio/voice", server.token)
            name = f"voice-agent serve --workers {workers}" if workers > 1 else "voice-agent serve"
            yield _Target(name, admission, processes, lag_of(server.url)), model
        finally:
            ourselves.keep_to_itself(allowed)


@asynccontextmanager
async def _given(
    to: str, model_port: int, pid: int | None, token: str, interrupt: int
) -> AsyncIterator[tuple[_Target, ScriptedModel]]:
    processes = None if pid is None else Processes(pid)
    if processes is not None and not processes.live():
        raise CommandError(f"--pid {pid}: there is no such process")
    try:
        async with scripted_model(model_port, interrupt) as model:
            _print(f"The scripted model listens: the server's REALTIME_URL has to be {model.url}")
            parts = urlsplit(to)
            if parts.scheme in {"ws", "wss"}:
                yield _Target(to, straight_to(to, token), processes, None), model
            else:
                lag = lag_of(f"{parts.scheme}://{parts.netloc}")
                yield _Target(to, by_webhook(to, token), processes, lag), model
    except OSError as error:
        raise CommandError(f"--model-port {model_port}: {error.strerror}: name a free one") from None


async def _load(
    opened: AbstractAsyncContextManager[tuple[_Target, ScriptedModel]],
    levels: list[Level],
    *,
    calls: int | None,
    most: int,
    seconds: float,
) -> Report:
    task = asyncio.current_task()
    assert task is not None, "this runs in one"
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with opened as (target, model):
        _print(_HEAD)
        ramp = Ramp(most)
        limited_by = "most"
        wanted = calls if calls is not None else ramp.next()
        while wanted is not None:
            level = await hold_level(
                target.admission, model, wanted, seconds, processes=target.processes, lag=target.lag
            )
            if not (levels or model.sessions or level.broken):
                raise CommandError(f"no call came to {model.url}: is it the server's REALTIME_URL?")
            levels.append(level)
            _print(_line(level))
            ramp.note(wanted, level.carried)
            if not level.carried:
                limited_by = "load" if level.own_limit else "bridge"
            wanted = ramp.next() if calls is None else None
    return Report(
        to=target.to,
        capacity=ramp.carried if calls is None else None,
        limited_by=limited_by,
        cores=os.cpu_count() or 1,
        levels=tuple(levels),
    )


_HEAD = (
    "calls   up p50/p99   down p50/p99       lost   CPU a call-s  memory a call  loop late  truncation error  own p99\n"
    "            ms           ms                         ms            MB           ms            ms             ms"
)


def _line(level: Level) -> str:
    cells = (
        f"{level.calls:5}",
        f"{_pair(level.up):>11}",
        f"{_pair(level.down):>13}",
        f"{f'{level.lost} of {level.frames}':>16}",
        f"{_number(level.cpu_ms):>9}",
        f"{_number(level.memory_mb):>13}",
        f"{_number(level.server_lag_ms):>12}",
        f"{_range(level.truncation):>16}",
        f"{level.own_late_p99_ms:>8.1f}",
    )
    remark = "" if level.carried else "   <- too much"
    if level.own_limit:
        remark = "   <- the load itself was late"
    if level.broken:
        remark += f"; {len(level.broken)} calls broke: {level.broken[0]}"
    return "  ".join(cells) + remark


def _pair(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.p50:.1f}/{spread.p99:.1f}"


def _range(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.p50:+.0f} [{spread.least:+.0f}, {spread.most:+.0f}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _verdict(report: Report, calls: int | None) -> str:
    if calls is not None:
        (level,) = report.levels
        what = f"{calls} calls: " + ("carried" if level.carried else "not carried")
    else:
        what = f"capacity: {report.capacity} calls with p99 below {MOST_P99_MS:g} ms and nothing lost"
    match report.limited_by:
        case "load":
            return f"{what}; callers and model were late themselves: give them a core, or this says too little"
        case "most":
            return what if calls is not None else f"{what}, or more: --most allows no further ones"
        case _:
            return what
