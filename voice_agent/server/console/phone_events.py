"""What a browser is told of its own call while it goes on: the words of both sides, tools, interruptions, the end.

The core's reports say what was heard, when it was heard; the words of the agent come from the model before, so that
they can be read while they are spoken, and what was cut can be told from what was not. It must not know how a call
began.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from fastapi.responses import Response

from voice_agent.call.commands import Note, Report, ResponseUsed, ToolAnswered, TranscriptionUsed
from voice_agent.errors import PeerError
from voice_agent.live.session import Session
from voice_agent.server.console.events import Broadcast
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.realtime import TranscriptDelta, parse
from voice_agent.wire.texts import ModelText

MOST_KEPT = 5000
"""Events of a call that a page which comes again is told once more; a call of an hour has some 3,000."""

MOST_WAITING = 1000
"""That a page may be behind: the words of a long answer may come all at once."""

_DELTA = "transcript.delta"
"""Stands in the type of all messages with words, in both dialects."""

_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


class PhoneEvents:
    """Those of one call."""

    def __init__(self) -> None:
        self._broadcast = Broadcast(MOST_WAITING)
        self._past: list[tuple[str, dict[str, Any]]] = []
        self._stop: Callable[[], None] | None = None
        self._causes: Mapping[str, str] = {}

    def begin(self, session: Session) -> None:
        """Listen to the session of the call; one that has come after another takes its place."""
        self.end()
        self._causes = session.causes
        self._stop = session.listen(self._hear)

    @property
    def listens(self) -> bool:
        """Whether there is a session that is listened to."""
        return self._stop is not None

    def end(self) -> None:
        """Listen no more."""
        if self._stop is not None:
            self._stop()
            self._stop = None

    def close(self) -> None:
        """Let the pages go that are told."""
        self._broadcast.close()

    def report(self, now_ms: int, report: Report) -> None:
        """Take one report of the core."""
        if isinstance(report, ResponseUsed | TranscriptionUsed) or (
            isinstance(report, Note) and report.level != "error"
        ):
            return
        fields = msgspec.to_builtins(report)
        if isinstance(report, ToolAnswered) and (cause := self._causes.get(report.call_id)):
            fields["cause"] = cause
        name = _CAPITAL.sub("_", fields.pop("type")).lower()
        self._tell(name, {"at_ms": now_ms, **fields})

    def response(self) -> Response:
        """Answer a page with all that was told, and then with what comes."""
        return self._broadcast.response(lambda: tuple(self._past))

    def _hear(self, now_ms: int, received: Input, outputs: Sequence[Output]) -> None:
        del outputs
        if not isinstance(received, ModelText) or _DELTA not in received.text:
            return
        try:
            message = parse(received.text)
        except PeerError:
            return  # the core has noted it
        if isinstance(message, TranscriptDelta):
            self._tell("agent_words", {"at_ms": now_ms, "item_id": message.item_id, "text": message.delta})

    def _tell(self, name: str, told: dict[str, Any]) -> None:
        if len(self._past) < MOST_KEPT:
            self._past.append((name, told))
        self._broadcast.publish(name, told)
