"""Simulated calls with words and voices chosen by a test, as recordings."""

import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from tests.support.recorded import write
from tests.support.simulated import steps_of
from voice_agent.agent import Agent, Tool
from voice_agent.call.conversation import Resumption
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.recording.entries import Step
from voice_agent.recording.format import Header
from voice_agent.recording.reader import Recording
from voice_agent.sim import carrier as phone
from voice_agent.sim import realtime as model
from voice_agent.sim.world import World, voice

PAUSE_MS = 3000
"""Longer than the end of a turn, a tool and an answer take to begin."""

AGENT = Agent(
    name="reception",
    instructions="Be kind to Anna Jones, who calls from +1 425 555 0123. Today is 2026-11-22.",
    numbers=("+14255550100",),
    variables={"id": "Anna Jones", "company": "Alder Dental"},
    tools=(
        Tool(
            "look_up",
            "Looks up what Anna Jones has booked.",
            {"type": "object", "properties": {"number": {"type": "string", "description": "As 425-555-0123."}}},
            "python",
            "m:f",
        ),
    ),
)

WEBHOOK = {
    "From": "+14255550123",
    "To": "+14255550100",
    "CallSid": "CA" + "2" * 32,
    "AccountSid": "AC" + "3" * 32,
    "FromCity": "SEATTLE",
    "CallerName": "ANNA JONES",
    "SipHeader_X-Customer": "Anna Jones",
}


class Turn(msgspec.Struct, frozen=True):
    """What the caller does, and what becomes of it."""

    says: str = ""
    """Its words, as the transcription writes them."""
    sound: bytes = b""
    """Mu-law; empty: a tone of the words' length."""
    keys: str = ""
    """Pressed instead."""
    answers: tuple[str, ...] = ("All right.",)
    """One a response."""
    asks: str = ""
    """The arguments with which a tool is called before the last answer."""
    tool: str = "look_up"


class _Talker:
    """Takes turns: waits until both are silent, then does the next thing; hangs up behind the last."""

    def __init__(self, turns: Iterable[Turn]) -> None:
        self._turns = iter(turns)
        self._pressed_ms = 0
        self._left = False

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterable[phone.Input]:
        quiet_ms = max(carrier.caller.end // 8, carrier.agent.end // 8, self._pressed_ms) + PAUSE_MS
        if now_ms < quiet_ms or self._left:
            return
        turn = next(self._turns, None)
        if turn is None:
            self._left = True
            yield phone.HangUp()
        elif turn.keys:
            self._pressed_ms = now_ms
            yield from map(phone.PressKey, turn.keys)
        else:
            yield phone.Speak(turn.sound or voice(len(turn.says) * 60))


def _mind(turns: Sequence[Turn]) -> Callable[[model.Think], list[model.ThoughtText | model.ThoughtCall]]:
    """Answer in order."""
    said: list[tuple[str, str]] = []
    for turn in turns:
        said += [(turn.tool, turn.asks)] if turn.asks else []
        said += [("", answer) for answer in turn.answers]
    left = iter(said)

    def think(asked: model.Think) -> list[model.ThoughtText | model.ThoughtCall]:
        tool, text = next(left)
        if tool:
            return [model.ThoughtCall(asked.response_id, tool, text)]
        return [model.ThoughtText(asked.response_id, text)]

    return think


def spoken_call(*turns: Turn, **options: Any) -> Recording:
    """Hold a call, with the options of `spoken_file`; give its recording."""
    return Recording(spoken_file(*turns, **options))


def spoken_file(
    *turns: Turn,
    agent: Agent = AGENT,
    caller: str = "+14255550123",
    audio: str = "g711",
    dialect: str = "ga",
    kept: str = "kept",
    tool_output: str = '{"booked":"nothing"}',
    speak: Callable[[str], bytes] | None = None,
    faults: Sequence[str] = (),
    edit: Callable[[list[Step]], list[Step]] = list,
    resumed: Resumption | None = None,
    given: tuple[str, ...] = (),
) -> bytes:
    """Hold a call to its end; give its recording's file, after `edit`."""
    setup = CallSetup(
        call_sid="CA" + "2" * 32,
        agent=agent,
        caller=caller,
        called="+14255550100",
        model=ModelSetup(
            audio="pcm24k" if audio == "pcm24k" else "g711", dialect="preview" if dialect == "preview" else "ga"
        ),
        resumed=resumed,
        given=given,
    )
    world = World(
        setup,
        caller=_Talker(turns),
        mind=_mind(turns),
        chance=random.Random(1),
        tools={"look_up": tool_output},
        heard=[turn.says for turn in turns if not turn.keys],
        speak=speak,
        faults=faults,
    ).run(900_000)
    assert world.ended is not None, "the talker hangs up"
    header = Header(
        setup=setup,
        started_at="2026-11-22T10:00:00.000+00:00",
        audio="kept" if kept == "kept" else "digests",
        webhook=WEBHOOK,
        made_by="voice-agent of long ago",
    )
    return write(header, edit(steps_of(world, setup)))
