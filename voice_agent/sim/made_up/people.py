"""The two who talk in a made-up call: a caller who does what was drawn, and a model that answers what was drawn."""

from collections.abc import Callable, Iterable, Iterator

import msgspec

from voice_agent.sim import carrier as phone
from voice_agent.sim.made_up.call import LATEST_MS, PATIENCE_MS, Act, Leaving, Part
from voice_agent.sim.model_service import Mind, Thought
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.sim.track import BYTES_PER_MS, SILENCE
from voice_agent.sim.world import voice

_SOFT = (b"\xa8" * 8 + b"\x28" * 8) * 500
"""One second of somebody farther away: mu-law, 18 dB below `voice`."""

TURN_OF_TWO_MS = 350
PAUSE_OF_TWO_MS = 120


class Moments(msgspec.Struct, frozen=True):
    """What the caller cannot hear, but chance can meet: asked each time anew."""

    tool_runs: Callable[[], bool]
    goodbye_begun: Callable[[], bool]


class MadeUpCaller:
    """See `sim.world.Caller`."""

    def __init__(self, acts: tuple[Act, ...], leaving: Leaving, moments: Moments) -> None:
        self._acts = iter(acts)
        self._act: Act | None = next(self._acts, None)
        self._asked_ms = 0
        """When the act that is next became next."""
        self._agent_began_ms: int | None = None
        self._quiet_since_ms = 0
        self._leaving = leaving
        self._moments = moments
        self._moment_ms: int | None = 0 if leaving.when == "time" else None
        self._gone = False

    def act(self, now_ms: int, carrier: phone.Carrier) -> Iterable[phone.Input]:
        """Do something or nothing."""
        if self._gone:
            return ()
        self._listen(now_ms, carrier)
        met_ms, leaving = self._moment_ms, self._leaving
        if now_ms >= LATEST_MS or (met_ms is not None and now_ms - met_ms >= leaving.after_ms):
            self._gone = True
            return (phone.HangUp(leaving.how, with_stop=leaving.with_stop, with_close=leaving.with_close),)
        act = self._act
        if act is None or not self._is_time(act, now_ms):
            return ()
        self._act = next(self._acts, None)
        self._asked_ms = now_ms
        return _deeds(act)

    def _listen(self, now_ms: int, carrier: phone.Carrier) -> None:
        now = now_ms * BYTES_PER_MS
        if carrier.agent.end > now:
            self._quiet_since_ms = now_ms
            if self._agent_began_ms is None:
                self._agent_began_ms = now_ms
        else:
            self._agent_began_ms = None
            if carrier.caller.end > now:
                self._quiet_since_ms = now_ms
        if self._moment_ms is None and self._met():
            self._moment_ms = now_ms

    def _met(self) -> bool:
        match self._leaving.when:
            case "greeting":
                return self._agent_began_ms is not None
            case "tool":
                return self._moments.tool_runs()
            case _:
                return self._moments.goodbye_begun()

    def _is_time(self, act: Act, now_ms: int) -> bool:
        if now_ms - self._asked_ms >= PATIENCE_MS + act.after_ms:
            return True
        match act.when:
            case "quiet":
                return now_ms - self._quiet_since_ms >= act.after_ms
            case "agent speaks":
                return self._agent_began_ms is not None and now_ms - self._agent_began_ms >= act.after_ms
            case _:
                return now_ms - self._asked_ms >= act.after_ms


def _deeds(act: Act) -> Iterator[phone.Input]:
    match act.what:
        case "speak":
            yield phone.Speak(voice(act.length_ms))
        case "two people":
            yield phone.Speak(_two_voices(act.length_ms))
        case "keys":
            for key in act.keys:
                yield phone.PressKey(key)
        case "break off":
            yield phone.StopSpeaking()


def _two_voices(length_ms: int) -> bytes:
    """Two people who do not wait for each other long enough to end a turn."""
    loud = voice(TURN_OF_TWO_MS)
    soft = _SOFT[: TURN_OF_TWO_MS * BYTES_PER_MS]
    pause = SILENCE * (PAUSE_OF_TWO_MS * BYTES_PER_MS)
    times = length_ms // (2 * (TURN_OF_TWO_MS + PAUSE_OF_TWO_MS)) + 1
    return ((loud + pause + soft + pause) * times)[: length_ms * BYTES_PER_MS]


def made_up_mind(answers: tuple[tuple[Part, ...], ...]) -> Mind:
    """Answer what was drawn, again and again."""
    count = 0

    def think(asked: Think) -> list[Thought]:
        nonlocal count
        parts = answers[count % len(answers)] if answers else ()
        count += 1
        return [
            ThoughtCall(asked.response_id, part.name, part.arguments)
            if part.name
            else ThoughtText(asked.response_id, "word " * part.words)
            for part in parts
        ]

    return think
