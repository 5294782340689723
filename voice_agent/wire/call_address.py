"""Where Realtime over WebRTC is, beside a Realtime WebSocket: the addresses of secrets, calls and sidebands.

It opens nothing. https://platform.openai.com/docs/guides/realtime-webrtc; Azure's are the same below /openai/v1.
"""

from urllib.parse import parse_qs, urlsplit

import msgspec

from voice_agent.errors import ConfigError
from voice_agent.wire.endpoint import Endpoint


class CallAddress(msgspec.Struct, frozen=True):
    """The addresses that belong to one endpoint. Keys stay in the endpoint."""

    base: str
    """`http(s)://…/v1/realtime`."""
    model: str
    """As the endpoint's URL names it; at Azure a deployment."""

    @property
    def secrets(self) -> str:
        """Where a secret is minted (POST)."""
        return f"{self.base}/client_secrets"

    @property
    def calls(self) -> str:
        """Where a browser offers (POST of SDP)."""
        return f"{self.base}/calls"

    def hang_up(self, call_id: str) -> str:
        """Where a call is ended (POST)."""
        return f"{self.base}/calls/{call_id}/hangup"

    def sideband(self, endpoint: Endpoint, call_id: str) -> Endpoint:
        """Give the endpoint that joins a call: its URL names the call instead of the model."""
        url = f"ws{self.base.removeprefix('http')}?call_id={call_id}"
        return msgspec.structs.replace(endpoint, url=url)


def call_address(endpoint: Endpoint) -> CallAddress:
    """Derive the addresses. Raises `ConfigError` for the preview dialect, which has none of them."""
    if endpoint.dialect != "ga":
        raise ConfigError("must be of the form …/v1/realtime: the preview has no calls by WebRTC", endpoint.set_by)
    parts = urlsplit(endpoint.url)
    base = f"http{parts.scheme.removeprefix('ws')}://{parts.netloc}{parts.path.rstrip('/')}"
    return CallAddress(base, parse_qs(parts.query).get("model", [""])[0])
