"""What is the same for all calls of a server: its addresses, what signs them, and the model's endpoints."""

from dataclasses import dataclass, field

from voice_agent.call.setup import ModelSetup
from voice_agent.live.endpoint_health import EndpointHealth

STREAM_PATH = "/twilio/media"


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What is the same for all calls of this server."""

    public_url: str
    """Without a final slash."""
    tokens: tuple[str, ...] = field(repr=False)
    """Auth Tokens that sign, primary first."""
    model: ModelSetup
    fallbacks: tuple[ModelSetup, ...] = ()
    """Of the model's endpoints."""
    health: EndpointHealth = field(default_factory=EndpointHealth)
    preconnect: bool
    rest: bool
    """REST credentials are there."""
    by_call: bool = False
    """The stream's address names its call, so that whoever has it gets the stream."""
    can_apologise: bool
    """The packaged apology is there, so that a caller whose model failed has heard it before the stream ended."""

    @property
    def models(self) -> tuple[ModelSetup, ...]:
        """The endpoints of the next call, in the order in which it asks them; see `EndpointHealth.in_order`."""
        return tuple(self.health.in_order((self.model, *self.fallbacks)))

    def stream_url(self, call_sid: str) -> str:
        """Give the address of a call's stream as the TwiML names it."""
        return self.signed_url(f"{STREAM_PATH}/{call_sid}" if self.by_call else STREAM_PATH)

    def signed_url(self, path: str) -> str:
        """Give the address that the upgrade at a path was signed for."""
        return f"ws{self.public_url.removeprefix('http')}{path}"
