"""Calls in which digits are collected: what their tests share."""

import json
from typing import Any

from tests.support.script import Script, an_agent
from voice_agent.agent import Agent, DigitCollection, Tool
from voice_agent.call.commands import (
    AddToolOutput,
    AddUserText,
    CreateResponse,
)
from voice_agent.call.events import (
    KeyPressed,
    ResponseCreated,
    ResponseDone,
    ToolRequested,
)


class Conversing(Script):
    """A script whose model answers by itself what it is asked."""

    def __init__(self, agent: Agent) -> None:
        super().__init__(agent)
        self.agent = agent
        self.answered: list[str] = []


def collecting(**wanted: Any) -> Conversing:
    """A call in which digits are being collected, while nobody speaks."""
    tools = (
        Tool("pin", "The PIN.", {}, "collect_digits", digits=DigitCollection(**wanted)),
        Tool("birthday", "The day of birth.", {}, "collect_digits", digits=DigitCollection(length=8)),
        Tool("look_up", "Look it up.", {}, "python", "m:f"),
        Tool("hang_up", "End the call.", {}, "hang_up"),
    )
    script = Conversing(an_agent(tools=tools))
    script.begin()
    ask(script)
    return script


def ask(script: Conversing, call_id: str = "c1", name: str = "pin", response: str = "r1") -> None:
    """The model calls a tool, in a response of its own."""
    script.feed(
        ResponseCreated(response, None),
        ToolRequested(response, f"i-{call_id}", call_id, name, "{}"),
        ResponseDone(response, "completed"),
    )


def press(script: Conversing, keys: str, pause_ms: int = 300) -> None:
    for key in keys:
        script.feed(KeyPressed(key))
        pause(script, pause_ms)


def pause(script: Conversing, ms: int) -> None:
    """Let time pass; the model answers what it is asked, without a word."""
    end_ms = script.now_ms + ms
    while script.now_ms < end_ms:
        for request in {asked.request for asked in script.ordered(CreateResponse)} - set(script.answered):
            script.answered.append(request)
            script.feed(ResponseCreated(f"r-{request}", request), ResponseDone(f"r-{request}", "completed"))
        script.wait(min(100, end_ms - script.now_ms))


def answers(script: Conversing) -> list[dict[str, Any]]:
    return [json.loads(answer.output) for answer in script.ordered(AddToolOutput)]


def told(script: Conversing) -> list[str]:
    return [text.text for text in script.ordered(AddUserText)]
