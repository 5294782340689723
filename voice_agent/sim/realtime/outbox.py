"""What a step of a session puts out: the server's events as text, numbered, and orders for slow work, in one order.

This is the only writer of server events in the project; `wire.realtime` reads them.
"""

from typing import Any

import msgspec

from voice_agent.sim.realtime.messages import Output, SendText
from voice_agent.sim.realtime.refusals import ClientError

_encode = msgspec.json.Encoder().encode


class Outbox:
    """Collects outputs until the step ends. Also makes every id: they are counters, so a session repeats exactly."""

    def __init__(self) -> None:
        self._outputs: list[Output] = []
        self._counts: dict[str, int] = {}

    def new_id(self, kind: str) -> str:
        """Make the next of `item_1`, `item_2`, ..."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"{kind}_{self._counts[kind]}"

    def send(self, event_type: str, **fields: Any) -> None:
        """Send one server event."""
        event = {"type": event_type, "event_id": self.new_id("event"), **fields}
        self._outputs.append(SendText(_encode(event).decode()))

    def send_error(self, error: ClientError, client_event_id: str | None = None) -> None:
        """Send `error`; nearly all are the client's doing."""
        self.send(
            "error",
            error={
                "type": "invalid_request_error",
                "code": error.code,
                "message": error.message,
                "param": error.param,
                "event_id": client_event_id,
            },
        )

    def order(self, output: Output) -> None:
        """Order slow work, or the end of the session."""
        self._outputs.append(output)

    def take(self) -> list[Output]:
        """All since the last `take`."""
        outputs, self._outputs = self._outputs, []
        return outputs
