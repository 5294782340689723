"""What a step of a session puts out: the server's events, numbered, and orders for slow work, in one order.

This is the only writer of server events in the project; `wire.realtime` reads them. They are made in the GA dialect;
another one is written by a function that the outbox is given.
"""

from collections.abc import Callable
from typing import Any

from voice_agent.sim.realtime.messages import Output, SendAudio, SendEvent
from voice_agent.sim.realtime.refusals import ClientError

_AUDIO_DELTA = "response.output_audio.delta"


class Outbox:
    """Collects outputs until the step ends. Also makes every id: they are counters, so a session repeats exactly."""

    def __init__(
        self, write: Callable[[str, dict[str, Any]], list[tuple[str, dict[str, Any]]]] | None = None, ids: str = ""
    ) -> None:
        """`write`: gives what is sent instead of an event, by its type and fields; `None`: the event.

        `ids`: what the numbers in ids begin with.
        """
        self._write = write
        self._ids = ids
        self._outputs: list[Output] = []
        self._counts: dict[str, int] = {}

    def new_id(self, kind: str) -> str:
        """Make the next of `item_1`, `item_2`, ..."""
        number = self._counts[kind] = self._counts.get(kind, 0) + 1
        return f"{kind}_{self._ids}{number}"

    def send(self, event_type: str, **fields: Any) -> None:
        """Send one server event."""
        events = [(event_type, fields)] if self._write is None else self._write(event_type, fields)
        for name, written in events:
            self._outputs.append(SendEvent({"type": name, "event_id": self.new_id("event"), **written}))

    def send_audio(self, response_id: str, item_id: str, output_index: int, delta: bytes) -> None:
        """Send some of the agent's voice, of the item's only content."""
        if self._write is None:
            sent = SendAudio(_AUDIO_DELTA, self.new_id("event"), response_id, item_id, output_index, 0, delta)
            self._outputs.append(sent)
            return
        fields = {
            "response_id": response_id,
            "item_id": item_id,
            "output_index": output_index,
            "content_index": 0,
            "delta": delta,
        }
        for name, written in self._write(_AUDIO_DELTA, fields):
            self._outputs.append(SendAudio(name, self.new_id("event"), **written))

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
