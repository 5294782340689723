"""Calls that we placed, of which it is not known yet who has answered."""

from tests.support.script import Script, an_agent
from voice_agent.agent import OnMachine
from voice_agent.call.commands import (
    CallCommand,
    ConfigureSession,
    CreateResponse,
    Note,
    SetTurnFlags,
)
from voice_agent.call.events import (
    CallerTranscribed,
)

LEAVE, HANG_UP, CONTINUE = OnMachine("leave", "Please call us back."), OnMachine("hang_up"), OnMachine("continue")


def calling(on_machine: OnMachine | None = HANG_UP, *, rest: bool = True, **changes: object) -> Script:
    agent = an_agent(**{"greeting": "Hello, this is Alder Dental.", "on_machine": on_machine} | changes)
    return Script(agent, outbound=True, rest=rest)


def purposes(commands: list[CallCommand]) -> list[str]:
    """What the model is asked to say."""
    return [command.request.split("-")[0] for command in commands if isinstance(command, CreateResponse)]


def notes(script: Script) -> list[str]:
    return [note.what for note in script.ordered(Note)]


def flags(script: Script) -> list[bool]:
    """Who decides about turns, from the beginning on: the server or we."""
    beginning = [command.create_response for command in script.ordered(ConfigureSession)]
    return beginning + [command.create_response for command in script.ordered(SetTurnFlags)]


def greeted(script: Script, ms: int = 1500) -> Script:
    """The greeting has been heard to its end."""
    script.begin()
    script.agent_speaks("greeting", ms)
    script.response_done()
    script.wait(ms + 100)
    return script


def say(script: Script, item: str, words: str = "Hello?", ms: int = 400) -> None:
    """The callee says something."""
    script.caller_speaks(item)
    script.wait(ms)
    script.caller_stops(item)
    script.feed(CallerTranscribed(item, words))
