"""What is the same for all calls of a server: its addresses, what signs them, and the model's endpoints."""

from dataclasses import dataclass, field

import msgspec

from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.live.endpoint_health import EndpointHealth

STREAM_PATH = "/twilio/media"
VOICE_PATH = "/twilio/voice"
AFTER_STREAM_PATH = "/twilio/after-stream"
AFTER_DIAL_PATH = "/twilio/after-dial"
STATUS_PATH = "/twilio/status"


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

    def here(self, setup: CallSetup) -> CallSetup:
        """Give a call that comes back what holds here and now, whoever had it and when."""
        models, rest = self.models, self.rest and setup.rest
        return msgspec.structs.replace(
            setup, model=models[0], fallbacks=models[1:], preconnect=self.preconnect, rest=rest
        )

    @property
    def after_stream_url(self) -> str:
        """Where the carrier asks what follows a stream, or a recording."""
        return f"{self.public_url}{AFTER_STREAM_PATH}"

    @property
    def after_dial_url(self) -> str:
        """Where it asks what follows a transfer."""
        return f"{self.public_url}{AFTER_DIAL_PATH}"

    @property
    def status_url(self) -> str:
        """Where it tells how far a call or a stream is."""
        return f"{self.public_url}{STATUS_PATH}"

    def stream_url(self, call_sid: str) -> str:
        """Give the address of a call's stream as the TwiML names it."""
        return self.signed_url(f"{STREAM_PATH}/{call_sid}" if self.by_call else STREAM_PATH)

    def signed_url(self, path: str) -> str:
        """Give the address that the upgrade at a path was signed for."""
        return f"ws{self.public_url.removeprefix('http')}{path}"
