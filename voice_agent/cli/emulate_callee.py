"""`voice-agent emulate callee`: an emulated Twilio whose REST API places calls, and somebody who takes them.

What dials out is tried against it with no account: `TWILIO_API_BASE_URL` leads there.
"""

import argparse
import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from voice_agent.audio.mulaw import BYTES_PER_MS
from voice_agent.cli.emulate_call import ACCOUNT_SID, port_number, token_of
from voice_agent.cli.lines import WORDS_OR_WAV, spoken
from voice_agent.cli.say import say
from voice_agent.config.agents import load_agents
from voice_agent.config.settings import ENV_FILE, Settings, read_settings
from voice_agent.emulator.twilio import Callee, EmulatedCall, EmulatedTwilio, IncomingNumber, Moment
from voice_agent.errors import CommandError

IS_A = ("human", "machine", "fax")
BECOMES = ("answers", "busy", "no-answer", "failed")

GREETINGS = {
    "human": "Hello?",
    "machine": "Hello, you have reached my voice mail. I cannot take your call right now. "
    "Please leave a message after the tone.",
    "fax": "",
}
"""Said with the local voice unless there is a recording."""

PATIENCE_S = 10.0
LISTEN_MS = 1000
LONGEST_S = 60.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("--port", type=port_number, default=9100, help="of the REST API (default: %(default)s)")
    parser.add_argument("--is", dest="is_a", choices=IS_A, default="human", help="who answers (default: %(default)s)")
    parser.add_argument(
        "--becomes", choices=BECOMES, default="answers", help="what becomes of the ringing (default: %(default)s)"
    )
    parser.add_argument("--rings", type=float, default=2.0, metavar="SECONDS", help="until then (default: %(default)g)")
    parser.add_argument("--greeting", metavar=WORDS_OR_WAV, help="what is said first, instead of a usual text")
    parser.add_argument(
        "--say",
        action="append",
        default=[],
        metavar=WORDS_OR_WAV,
        help="what a person says next, whenever the agent has been silent for a second; may be given several times",
    )


def run(*, port: int, is_a: str, becomes: str, rings: float, greeting: str | None, say: list[str]) -> int:
    """Take calls until Ctrl-C; 130."""
    if not 0 <= rings <= 600:
        raise CommandError("--rings is from 0 to 600 seconds")
    settings = read_settings(os.environ, ENV_FILE)
    first = GREETINGS[is_a] if greeting is None else greeting
    opening = b"".join(sound for _, sound in spoken([first] if first else []))
    lines = [sound for _, sound in spoken(say)]
    callee = Callee(
        becomes=becomes,  # type: ignore[arg-type]  # argparse has looked
        is_a=is_a,  # type: ignore[arg-type]  # likewise
        rings_ms=round(rings * 1000),
        greeting=opening,
    )
    asyncio.run(take_calls(settings, conversing(callee, lines), port))
    return 0


def conversing(
    callee: Callee, lines: Sequence[bytes], patience_s: float = PATIENCE_S, listen_ms: int = LISTEN_MS
) -> Callee:
    """Let a person say these lines in turn with the agent, then hang up; a machine stays as it is."""
    if callee.is_a != "human":
        return callee

    async def turn(call: EmulatedCall) -> bool:
        """Let the agent begin and finish; `False`: it said nothing, or the call is over."""
        await call.caller_finished()
        return await call.agent_began(patience_s) and await call.agent_silent(listen_ms, LONGEST_S)

    async def converse(call: EmulatedCall) -> None:
        for line in lines:
            if call.over or not await turn(call):
                break
            call.say(line)
            await call.caller_finished()
        await turn(call)
        call.hang_up()

    return replace(callee, acts=converse)


async def take_calls(settings: Settings, callee: Callee, port: int, tell: Callable[[str], None] = say) -> None:
    """Serve until it is cancelled; `tell` gets what a user sees, line by line."""
    account_sid = settings.twilio_account_sid or ACCOUNT_SID
    own = [
        settings.twilio_phone_number,
        *(number for one in load_agents(settings.agents).all for number in one.numbers),
    ]
    numbers = [IncomingNumber(phone_number=number) for number in dict.fromkeys(own) if number]

    def show(call: EmulatedCall) -> None:
        tell(f"{call.sid}  {call.order.from_} calls {call.order.to}")
        call.on_moment = partial(_show, tell, call.sid[:8])

    twilio = EmulatedTwilio(
        account_sid, token_of(settings, None), numbers=numbers, callees=lambda _: callee, on_call=show, port=port
    )
    async with twilio:
        told = f"{callee.is_a}, {len(callee.greeting) // BYTES_PER_MS / 1000:.1f} s of greeting"
        tell(f"every number is {'answered by a ' + told if callee.becomes == 'answers' else callee.becomes}")
        tell(f"account  {account_sid}, numbers {', '.join(number.phone_number for number in numbers) or 'none'}")
        tell(f"TWILIO_API_BASE_URL={twilio.base_url} for serve and dial; Ctrl-C stops.")
        await asyncio.Event().wait()


def _show(tell: Callable[[str], None], name: str, moment: Moment) -> None:
    detail = moment.detail and f": {moment.detail}"
    tell(f"{name} {moment.at_ms / 1000:8.2f} s  {moment.what}{detail}")
