"""Asks who is calling, before a call is answered: an agent's `lookup`.

Whatever goes wrong is a line for the operator, and nothing is found: the call is answered as the agent's file says.
It must not know what is done with it.
"""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import msgspec

from voice_agent.agent import Lookup
from voice_agent.config.references import References
from voice_agent.tools.arguments import ArgumentsError
from voice_agent.tools.http_answer import AnswerError, part_of
from voice_agent.tools.http_client import HttpFailure
from voice_agent.tools.http_exchange import exchange, secrets_of

SECONDS = 3
"""Longest wait unless the file says otherwise. Twilio gives a webhook up 15 s after it was sent."""

MAX_CHARACTERS = 2000
"""Of a value: it goes into the prompt."""

_log = logging.getLogger(__name__)


class Found(msgspec.Struct, frozen=True):
    """What came of it."""

    variables: dict[str, str] = {}
    agent: str = ""
    """The name of the one that takes the call; empty: who asked."""


async def look_up(lookup: Lookup, values: Mapping[str, str], references: References, call_sid: str = "") -> Found:
    """Ask. `values`: of the call's variables. Nothing is raised but a cancellation."""
    seconds = SECONDS if lookup.request.seconds is None else lookup.request.seconds
    request = msgspec.structs.replace(lookup.request, values=dict(values))
    problem = ""
    try:
        async with asyncio.timeout(seconds):
            return _found(lookup, await exchange(request, {}, references))
    except TimeoutError:
        problem = f"there was no answer within {seconds} s"
    except (HttpFailure, AnswerError) as error:
        problem = secrets_of(request, references).covered(error.detail)
    except ArgumentsError as error:
        problem = str(error)
    _log.warning("the look-up of the caller failed: %s", problem, extra={"call": call_sid})
    return Found()


def _found(lookup: Lookup, text: str) -> Found:
    try:
        answer = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        raise AnswerError("", "the answer is no JSON") from None
    found = {name: _plain(part_of(answer, path)) for name, path in lookup.variables.items()}
    agent = _plain(part_of(answer, lookup.agent)) if lookup.agent else None
    return Found({name: value for name, value in found.items() if value is not None}, agent or "")


def _plain(value: Any) -> str | None:
    """Give a value as a text of one paragraph; `None`: it is not there, or is none that a prompt could hold."""
    if isinstance(value, str):
        text = "".join(character if character.isprintable() else " " for character in value)
        return text[:MAX_CHARACTERS]
    if isinstance(value, bool | int | float):
        return msgspec.json.encode(value).decode()
    return None
