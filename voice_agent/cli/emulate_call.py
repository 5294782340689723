"""`voice-agent emulate call`: a caller with lines to say, through an emulated Twilio, to any Media Streams server."""

import argparse
import asyncio
import os
import re
import sys
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from voice_agent.audio.wav import write_stereo
from voice_agent.cli.lines import WORDS_OR_WAV, spoken
from voice_agent.cli.say import say
from voice_agent.config.secret import local_auth_token
from voice_agent.config.settings import ENV_FILE, Settings, read_settings
from voice_agent.emulator.twilio import EmulatedCall, EmulatedTwilio, HeldStream, IncomingNumber, Moment
from voice_agent.errors import CommandError

SUMMARY = "call any server that speaks Media Streams, through an emulated Twilio"

ACCOUNT_SID = "AC" + "0" * 32
"""Of the emulated account, unless the settings name one."""

PATIENCE_SECONDS = 10.0
"""How long a caller waits for the agent to begin: with the greeting, or with an answer."""
TALK_SECONDS = 60.0
"""How long a caller lets the agent talk."""
SILENCE_MS = 1000
"""The agent's silence after which it is the caller's turn: longer than the pauses between sentences."""
KEY_SECONDS = 0.3
"""From one key to the next."""
GOODBYE_SECONDS = 5.0
"""How long the carrier may take to end a call that is over for its caller."""

_MOST_SECONDS = 3600
_LAST_PORT = 65535


class Script(msgspec.Struct, frozen=True):
    """What the caller does."""

    lines: list[tuple[str, bytes]]
    """Names and mu-law audio."""
    keys: str = ""
    """Pressed after the last line."""
    patience_s: float = PATIENCE_SECONDS
    hang_up_after_s: float | None = None
    """Counted from the beginning of the stream; `None`: after the last answer."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--to", required=True, metavar="URL", help="a voice webhook (http, https), or a stream itself (ws, wss)"
    )
    parser.add_argument(
        "--say",
        action="append",
        default=[],
        metavar=WORDS_OR_WAV,
        help="said when the agent has been silent for a second: words in the local voice, or a recording; may be given"
        " several times",
    )
    parser.add_argument("--from", dest="from_", default="+14255550199", metavar="NUMBER", help="who calls")
    parser.add_argument("--called", default="+14255550100", metavar="NUMBER", help="the number that is called")
    parser.add_argument(
        "--auth-token",
        metavar="TOKEN",
        help="signs the requests; otherwise TWILIO_AUTH_TOKEN, or the token that the local serve keeps under DATA",
    )
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="where that token is kept, instead of DATA")
    parser.add_argument(
        "--param", action="append", default=[], metavar="NAME=VALUE", help="a custom parameter of a ws(s) stream"
    )
    parser.add_argument("--keys", default="", metavar="DIGITS", help="pressed after the last line: 0-9, * and #")
    parser.add_argument(
        "--patience",
        type=_seconds,
        default=PATIENCE_SECONDS,
        metavar="SECONDS",
        help="how long to wait for the agent to begin, before the next line (default: %(default)g)",
    )
    parser.add_argument("--hang-up-after", type=_seconds, metavar="SECONDS", help="instead of after the last answer")
    parser.add_argument("--out", type=Path, metavar="FILE.wav", help="record both channels: caller left, agent right")
    parser.add_argument(
        "--api-port", type=port_number, default=0, metavar="PORT", help="of the emulated REST API (TWILIO_API_BASE_URL)"
    )


def port_number(text: str) -> int:
    """Read a port of this machine; 0: any free one."""
    if not (text.isascii() and text.isdecimal() and int(text[:9]) <= _LAST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to {_LAST_PORT}")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _MOST_SECONDS:
        raise argparse.ArgumentTypeError(f"{text!r} is no time from 0 to {_MOST_SECONDS} seconds")
    return seconds


def run(
    *,
    to: str,
    say: list[str],
    from_: str,
    called: str,
    auth_token: str | None,
    data: Path | None,
    param: list[str],
    keys: str,
    patience: float,
    hang_up_after: float | None,
    out: Path | None,
    api_port: int,
) -> int:
    """Hold the call; 0 when it was held to its end, 1 with one line when it was not."""
    _examine(to, keys, out)
    parameters = _parameters(param, to)
    script = Script([*spoken(say)], keys, patience, hang_up_after)
    settings = read_settings(os.environ, ENV_FILE)
    token = auth_token or token_of(settings, data)

    async def hold() -> EmulatedCall:
        account_sid = settings.twilio_account_sid or ACCOUNT_SID
        number = IncomingNumber(phone_number=called, voice_url="" if to.startswith("ws") else to)
        async with EmulatedTwilio(account_sid, token, port=api_port, numbers=[number]) as twilio:
            if api_port:
                print(f"REST API: TWILIO_API_BASE_URL={twilio.base_url} TWILIO_ACCOUNT_SID={account_sid}")
            if to.startswith("ws"):
                call = twilio.place_stream(to, from_, called, parameters, on_moment=_show)
            else:
                call = twilio.place_call(to, from_, called, on_moment=_show)
            await _converse(call, script)
            for message in twilio.holdings.messages.values():
                print(f"text message to {message.to}: {message.body}")
            return call

    call = asyncio.run(hold())
    if out is not None and call.held:
        write_stereo(out, call.caller_track, call.agent_track)
        print(f"recorded: {out} (caller left, agent right)")
    if call.held and (keys := call.keys_heard):
        print(f"keys heard: {keys}")
    if call.held and (lost := sum(map(_lost, call.streams[:-1]))):
        print(f"the stream was lost {'once' if lost == 1 else f'{lost} times'}, and the call went on")
    problem = _problem(call)
    for entry in call.warnings:
        print(f"Twilio's debugger would show {entry.code}: {entry.problem}")
    if problem:
        print(f"voice-agent: the call was not held: {problem}", file=sys.stderr)
        return 1
    return 0


def examine_address(to: str) -> None:
    """Find out whether calls can go there; raises `CommandError`."""
    try:
        parts = urlsplit(to)
        valid = parts.scheme in {"http", "https", "ws", "wss"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise CommandError(f"--to {to!r} is not an http(s) or ws(s) address, e.g. http://127.0.0.1:8080/twilio/voice")


def examine_output(path: Path) -> None:
    """Find out whether a file can be written before what it is for takes minutes; raises `CommandError`."""
    try:
        new = not path.exists()
        path.open("ab").close()
        if new:
            path.unlink()
    except OSError as error:
        raise CommandError(f"{path}: cannot be written: {error.strerror}") from None


def _examine(to: str, keys: str, out: Path | None) -> None:
    examine_address(to)
    if out is not None:
        examine_output(out)
    if not re.fullmatch("[0-9*#]*", keys):
        raise CommandError(f"--keys {keys!r}: a telephone has the keys 0-9, * and #")


def _parameters(given: list[str], to: str) -> dict[str, str]:
    if given and not to.startswith("ws"):
        raise CommandError("--param is for a ws(s) stream; a webhook's TwiML names its own parameters")
    pairs = [item.partition("=") for item in given]
    for name, equals, _ in pairs:
        if not (name and equals):
            raise CommandError(f"--param {name}{equals}: write NAME=VALUE")
    return {name: value for name, _, value in pairs}


def token_of(settings: Settings, data: Path | None) -> str:
    """Find what signs: the real account's token, unless a folder with another one is named."""
    if data is None and settings.twilio_auth_token is not None:
        return settings.twilio_auth_token.reveal()
    return local_auth_token(data or settings.data)


async def _converse(call: EmulatedCall, script: Script) -> None:
    """Say the lines in turn with the agent, press the keys, wait for the last answer, hang up."""
    if not await call.streaming():
        return
    async with asyncio.TaskGroup() as tasks:
        lines = tasks.create_task(_speak(call, script))
        ended = tasks.create_task(call.ended())
        await asyncio.wait({lines, ended}, timeout=script.hang_up_after_s, return_when=asyncio.FIRST_COMPLETED)
        call.hang_up()
        lines.cancel()
        await asyncio.wait({ended}, timeout=GOODBYE_SECONDS)
        ended.cancel()


async def _speak(call: EmulatedCall, script: Script) -> None:
    await _listen(call, script.patience_s)
    for name, audio in script.lines:
        if call.over:
            return
        print(f"           line: {name}")
        call.say(audio)
        await call.caller_finished()
        await _listen(call, script.patience_s)
    for key in "" if call.over else script.keys:
        call.press(key)
        await call.wait_until(lambda: False, within_s=KEY_SECONDS)
    if script.keys:
        await _listen(call, script.patience_s)
    if script.hang_up_after_s is not None:
        await call.ended()


async def _listen(call: EmulatedCall, begin_s: float) -> None:
    """Let the agent begin and finish."""
    if await call.agent_began(within_s=begin_s):
        await call.agent_silent(SILENCE_MS, within_s=TALK_SECONDS)


def _show(moment: Moment) -> None:
    seconds = moment.at_ms / 1000
    say(f"{seconds:8.2f} s  {moment.what}{moment.detail and f': {moment.detail}'}")


def _lost(stream: HeldStream) -> bool:
    return stream.ended is not None and stream.ended.reason == "bridge_lost"


def _problem(call: EmulatedCall) -> str:
    """Say in one line why the call was not held to its end; empty if it was."""
    if call.held and not _lost(call.streams[-1]):
        return ""
    if call.warnings:
        return call.warnings[0].problem
    said = [f"; it said {moment.detail!r}" for moment in call.timeline if moment.what == "the carrier says"]
    return f"the TwiML opened no stream{''.join(said)}"
