"""What a call is made from, before anything happens: the header of its recording."""

from typing import Literal

import msgspec

from voice_agent.agent import Agent
from voice_agent.call.conversation import Resumption

RENEW_MS = 50 * 60_000
"""Both vendors end a session after 60 minutes (protocol notes 1.5)."""


class ModelSetup(msgspec.Struct, frozen=True, kw_only=True):
    """How the model is spoken to; no address and no secret."""

    name: str = ""
    """What the settings call the endpoint."""
    provider: Literal["azure", "openai", "emulator"] = "emulator"
    model: str = ""
    dialect: Literal["ga", "preview"] = "ga"
    audio: Literal["pcm24k", "g711"] = "pcm24k"


class CallSetup(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides how a call behaves."""

    call_sid: str
    agent: Agent
    """Rendered: its texts hold no variables any more."""
    caller: str = ""
    called: str = ""
    model: ModelSetup = ModelSetup()
    fallbacks: tuple[ModelSetup, ...] = ()
    """Where a session is opened instead, in this order, when it cannot be had there."""
    outbound: bool = False
    """We placed it: `caller` is the number that we called, for who has it is on the line, and `called` is ours."""
    preconnect: bool = True
    """Connect the model at once; otherwise when the stream starts."""
    rest: bool = False
    """REST credentials are there: `HangUp` can be ordered."""
    others: tuple[Agent, ...] = ()
    """The agents that the call can be handed over to, by `agent` or by one of them; rendered, too."""
    given: tuple[str, ...] = ()
    """The variables whose values are no agent's own: what was found about the caller, or the call was placed with."""
    kept_greeting: bytes | None = None
    """The agent's greeting as its model said it in a former call, mu-law 8 kHz: it is played when the stream begins."""
    renew_ms: int = RENEW_MS
    """How old a session grows before another one is sought."""
    resumed: Resumption | None = None
    """What the call goes on from; `None`: it begins."""

    @property
    def models(self) -> tuple[ModelSetup, ...]:
        """All endpoints of the call, in their order."""
        return (self.model, *self.fallbacks)

    def going_on(self, resumed: Resumption) -> "CallSetup":
        """Give the setup of the same call's next stream, with the agent that had the call at last."""
        agents = {agent.name: agent for agent in (*self.others, self.agent)}
        agent = agents.pop(resumed.conversation.agent, self.agent)
        others = tuple(other for other in agents.values() if other is not agent)
        return msgspec.structs.replace(self, agent=agent, others=others, kept_greeting=None, resumed=resumed)
