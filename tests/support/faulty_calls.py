"""Simulated calls to a model in which something goes wrong: what the operator reads, and what the caller hears."""

import random
from typing import Any

from tests.support.scenes import Asker, an_agent
from voice_agent.agent import Agent
from voice_agent.call.commands import AgentSaid, CallEnded, CallerSaid, Note
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.sim.realtime import Think, ThoughtText
from voice_agent.sim.world import Caller, World

CLIPS = {"apology": b"\x90\x91" * 4000, "moment": b"\x92\x93" * 2000, "withheld": b"\x94\x95" * 3000}
"""Sounds that nobody else makes."""

STILL_HELD = "the call never ended"
"""What the simulated world says of a call that goes on."""

ANSWER = "This is the answer."


def answering(asked: Think) -> list[ThoughtText]:
    """Greet, then give always the same answer."""
    if not any(line.kind == "user" for line in asked.conversation):
        return [ThoughtText(asked.response_id, "Hello, who is it?")]
    return [ThoughtText(asked.response_id, ANSWER)]


class FaultyCall:
    """One call that was held, and what came of it."""

    def __init__(
        self,
        *faults: str,
        asks: int = 2,
        caller: Caller | None = None,
        agent: Agent | None = None,
        mind: Any = answering,
        direct: bool = False,
    ) -> None:
        """`faults`: of each connection to the model, in order."""
        setup = CallSetup(call_sid=f"CA{0:032}", agent=agent or an_agent(), model=ModelSetup(audio="g711"))
        self.world = World(
            setup,
            caller=caller or Asker(asks),
            mind=mind,
            chance=random.Random(1),
            clips=CLIPS,
            tools={"look_up": '{"answer": 42}'},
            faults=faults,
            direct=direct,
        )
        self.world.run(40_000)
        self.reports = [report for _, report in self.world.reports]

    @property
    def notes(self) -> list[tuple[str, str, str]]:
        """What the operator reads of each: how bad, what, and its details in one text."""
        return [
            (report.level, report.what, " ".join(map(str, report.fields.values())))
            for report in self.reports
            if isinstance(report, Note)
        ]

    @property
    def ended(self) -> CallEnded | None:
        """`None`: it goes on."""
        return self.world.ended

    @property
    def answers(self) -> int:
        """How often the caller has heard the answer whole."""
        said = [report for report in self.reports if isinstance(report, AgentSaid)]
        return sum(report.text.strip() == ANSWER and not report.interrupted for report in said)

    @property
    def questions(self) -> int:
        """How many turns of the caller were understood."""
        return sum(isinstance(report, CallerSaid) for report in self.reports)

    def heard(self, clip: str) -> bool:
        """Whether the caller has heard one of our own clips whole."""
        return CLIPS[clip] in self.world.carrier.agent_track

    def goes_on(self) -> bool:
        """Whether nothing was the matter for the caller: both questions answered, no apology, still on the line."""
        broken = [line.partition(" ms: ")[2] for line in self.world.invariants.finish()]
        return self.ended is None and self.answers == 2 and not self.heard("apology") and broken == [STILL_HELD]

    def ends_with_an_apology(self) -> bool:
        """Whether the caller was told before the line was closed."""
        return (
            self.ended is not None
            and self.ended.outcome == "model_failed"
            and self.heard("apology")
            and ("error", "the model is gone", self.ended.reason) in self.notes
        )
