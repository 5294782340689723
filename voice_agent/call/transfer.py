"""What the model wrote when it called a `transfer` tool: whom of those that the agent's file names it means, and why.

A number that the model made up is never called. It must not know how a caller gets there.
"""

import msgspec

from voice_agent.agent import Agent, Transfer
from voice_agent.call.commands import Destination

LONGEST_NAME = 64
"""Characters of a name of the model's that are told back to it."""


LONGEST_SUMMARY = 600
"""Characters that a colleague is told: half a minute."""

ENOUGH = "no further transfer in this call, it was tried often enough: say so, and help in another way"


class _Arguments(msgspec.Struct):
    to: str | None = None
    summary: str = ""


def chosen(transfer: Transfer, arguments: str) -> Destination | str:
    """Give whom the arguments name, or for the model what is wrong with them; the only one there is needs no name."""
    names = ", ".join(transfer.to)
    try:
        name = msgspec.json.decode(arguments or "{}", type=_Arguments).to
    except (ValueError, RecursionError):  # no JSON, no Unicode, nested beyond reason
        return f'the arguments cannot be read: give an object whose "to" is one of {names}'
    if name is None and len(transfer.to) == 1:
        name = next(iter(transfer.to))
    if name is None:
        return f'"to" is missing: give one of {names}'
    address = transfer.to.get(name)
    if address is None:
        return f'there is nobody named "{name[:LONGEST_NAME]}" to transfer to; there are: {names}'
    return Destination(name, address, transfer.seconds, transfer.caller_id)


def named(agent: Agent, name: str) -> Destination | None:
    """Give whom a `transfer` tool of the agent knows by that name; `None`: nobody."""
    for transfer in (tool.transfer for tool in agent.tools if tool.transfer is not None):
        if name in transfer.to:
            return Destination(name, transfer.to[name], transfer.seconds, transfer.caller_id)
    return None


def summary_of(arguments: str) -> str:
    """Give what a colleague is told of the caller; `arguments` are such as `chosen` could read."""
    return msgspec.json.decode(arguments or "{}", type=_Arguments).summary[:LONGEST_SUMMARY]
