"""A caller who does what was drawn, and a model that answers what was drawn."""

import pytest

from voice_agent.sim import carrier as phone
from voice_agent.sim.made_up.call import PATIENCE_MS, Act, Leaving, Part
from voice_agent.sim.made_up.people import MadeUpCaller, Moments, made_up_mind
from voice_agent.sim.realtime import Think, ThoughtCall, ThoughtText
from voice_agent.wire.twilio import OutgoingMedia, OutgoingMediaBody

STAYS = Leaving(after_ms=60_000)


class Line:
    """A stream from 0 on, and one caller on it."""

    def __init__(self, *acts: Act, leaving: Leaving = STAYS) -> None:
        self.carrier = phone.Carrier(phone.CarrierCall(call_sid="CA1", stream_sid="MZ1", account_sid="AC1"))
        self.carrier.start(0)
        self.tool_runs = self.goodbye_begun = False
        moments = Moments(lambda: self.tool_runs, lambda: self.goodbye_begun)
        self.caller = MadeUpCaller(acts, leaving, moments)
        self.deeds: list[tuple[int, str]] = []

    def play(self, length_ms: int) -> None:
        """Let the agent speak, from now on."""
        self.carrier.feed(self.carrier.now_ms, OutgoingMedia("MZ1", OutgoingMediaBody(b"\x90" * 8 * length_ms)))

    def wait(self, until_ms: int) -> "Line":
        """Let time pass."""
        for now_ms in range(self.carrier.now_ms, until_ms + 1, 20):
            self.carrier.feed(now_ms, phone.TimerFired())
            for deed in [*self.caller.act(now_ms, self.carrier)]:
                self.deeds.append((now_ms, type(deed).__name__))
                self.carrier.feed(now_ms, deed)
        return self


def test_a_polite_caller_speaks_when_it_has_been_quiet_for_a_while() -> None:
    line = Line(Act(when="quiet", after_ms=500, length_ms=300))
    line.play(2000)

    assert line.wait(4000).deeds == [(2480, "Speak")]


def test_an_interrupter_speaks_into_the_agent_s_speech() -> None:
    line = Line(Act(when="agent speaks", after_ms=500, length_ms=300)).wait(1000)
    line.play(3000)

    assert line.wait(4000).deeds == [(1500, "Speak")]


def test_nobody_waits_for_ever_for_a_moment_to_speak() -> None:
    line = Line(Act(when="agent speaks", after_ms=500, length_ms=300))

    assert line.wait(9000).deeds == [(PATIENCE_MS + 500, "Speak")]


def test_acts_follow_one_another() -> None:
    acts = (
        Act(when="at once", what="keys", keys="12"),
        Act(when="at once", what="two people", after_ms=100, length_ms=2000),
        Act(when="at once", what="break off", after_ms=300),
    )
    line = Line(*acts).wait(3000)

    assert line.deeds == [(0, "PressKey"), (0, "PressKey"), (100, "Speak"), (400, "StopSpeaking")]
    assert line.carrier.caller.end == 400 * 8


@pytest.mark.parametrize("moment", ["tool_runs", "goodbye_begun"])
def test_a_caller_goes_in_the_moment_that_was_drawn(moment: str) -> None:
    line = Line(leaving=Leaving(after_ms=200, when="tool" if moment == "tool_runs" else "goodbye")).wait(1000)
    setattr(line, moment, True)

    assert line.wait(3000).deeds == [(1200, "HangUp")]


def test_a_caller_goes_in_the_greeting_or_by_the_clock_and_only_once() -> None:
    greeted = Line(leaving=Leaving(after_ms=200, when="greeting")).wait(1000)
    greeted.play(3000)

    assert greeted.wait(3000).deeds == [(1200, "HangUp")]
    assert Line(leaving=Leaving(after_ms=2000)).wait(5000).deeds == [(2000, "HangUp")]


def test_a_model_answers_what_was_drawn_again_and_again() -> None:
    mind = made_up_mind(((Part(2), Part(name="book", arguments="{")), ()))
    thoughts = [mind(Think(f"r{number}", (), "", (), "auto")) for number in range(3)]

    assert thoughts[0] == [ThoughtText("r0", "word word "), ThoughtCall("r0", "book", "{")]
    assert thoughts[1] == []
    assert thoughts[2] == [ThoughtText("r2", "word word "), ThoughtCall("r2", "book", "{")]
