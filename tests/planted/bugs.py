"""The known bugs of this trade, each as a small change of our own source. What they do to a caller stands beside them.

Most were found in other people's phone agents; the threads are named where they are public.
"""

import msgspec


class Bug(msgspec.Struct, frozen=True):
    """One change of the source that must not go unnoticed."""

    name: str
    """What the code does then."""
    file: str
    """In the package."""
    was: str
    """Stands there exactly once."""
    becomes: str


_PLAYBACK, _PLAYOUT, _TURNS, _TOOLS = "call/playback.py", "call/playout.py", "call/turns.py", "call/tool_calls.py"
_ENDING, _CALLER, _ITEMS = "call/ending.py", "call/caller_audio.py", "wire/item_audio.py"

BUGS = (
    Bug(
        "credits marks that `clear` flushed",  # openai-agents' Twilio example
        _PLAYOUT,
        "self._late_echoes.append((self._take(name), stamp))",
        "self.confirmed = max(self.confirmed, self._take(name))",
    ),
    Bug(
        "truncates by what was sent",  # Twilio's agent-connect
        _PLAYBACK,
        "heard_ms = item.sent_ms if whole else min(item.heard // BYTES_PER_MS, item.sent_ms)",
        "heard_ms = item.sent_ms",
    ),
    Bug(
        "measures across items, without a clamp",  # twilio-samples/speech-assistant-openai-realtime-api-python#45
        _PLAYBACK,
        "item.heard += min(max(position - segment.start, 0), segment.end - segment.start)",
        "item.heard += position",
    ),
    Bug(
        "measures a cut by our clock alone",
        _PLAYBACK,
        "if cut.stamp is not None:\n            self._clock.settle(now_ms)",
        "if cut.stamp is None:\n            self._clock.settle(now_ms)",
    ),
    Bug(
        "measures a cut one millisecond long",
        _PLAYOUT,
        "heard = (cleared.carrier_ms - offset_ms + late_ms) * BYTES_PER_MS",
        "heard = (cleared.carrier_ms - offset_ms + late_ms + 1) * BYTES_PER_MS",
    ),
    Bug(
        "plays deltas that come after the cut",
        _PLAYBACK,
        "if event.response_id in self._dropped or item.cut or item.settled:",
        "if item.settled:",
    ),
    Bug(
        "clears without truncating",  # openai-agents-python#1999
        _PLAYBACK,
        "if not whole and item.sent_ms > 0 and not (item.unknown or self._model_gone or self._closing):",
        "if False:",
    ),
    Bug(
        "truncates an answer that was heard whole",  # openai-agents-python#2370
        _PLAYBACK,
        "whole = complete and item.heard + REACHED_BYTES >= item.sent_ms * BYTES_PER_MS",
        "whole = False",
    ),
    Bug(
        "clears only while the model still generates",  # openai-agents-js#1173
        _TURNS,
        "yield BargeIn(self._response.id)",
        "if self._response.id is not None:\n            yield BargeIn(self._response.id)",
    ),
    Bug(
        "does not stop what is played",  # twilio-samples/speech-assistant-openai-realtime-api-node#9
        _PLAYBACK,
        "yield ClearPlayback()",
        "yield from ()",
    ),
    Bug(
        "plays an answer that begins while the caller speaks",
        _TURNS,
        "yield ResponseDropped(event.response_id)\n            yield from self._response.cancel(event.response_id)",
        "yield from ()",
    ),
    Bug(
        "asks for an answer while another is made",  # openai-agents-python#2760
        _TURNS,
        "and self._response.id is None\n            and self._requests.requested is None",
        "and self._requests.requested is None",
    ),
    Bug(
        "asks for an answer while the caller speaks",
        _TURNS,
        "self._floor.ready\n            and not self._turn.speaking",
        "self._floor.ready",
    ),
    Bug(
        "answers a tool twice",
        _TOOLS,
        'yield AddToolOutput(f"output-{call_id}", call_id, output)',
        'yield AddToolOutput(f"output-{call_id}", call_id, output)\n'
        '        yield AddToolOutput(f"again-{call_id}", call_id, output)',
    ),
    Bug(
        "never answers a tool that failed",
        _TOOLS,
        "if running is None:\n            return\n        self._deadlines",
        "if running is None or failed:\n            return\n        self._deadlines",
    ),
    Bug(
        "adds a tool's result and asks for no answer",
        _TOOLS,
        'yield ResponseWanted("tool")',
        "yield from ()",
    ),
    Bug(
        "hangs up before the goodbye was heard",
        _ENDING,
        "if not self._busy:\n            self._hear_out(now_ms)",
        "self._hear_out(now_ms)",
    ),
    Bug(
        "hangs up on a caller who speaks into the goodbye",
        _ENDING,
        "if self._move(Cause.CALLER_SPOKE):",
        "if False:",
    ),
    Bug(
        "loses the resampler's tail",
        _ITEMS,
        "tail = self._resampler.flush()",
        "tail = self._resampler.flush()[:0]",
    ),
    Bug(
        "resets the resampler between deltas",
        _ITEMS,
        "self._inside = key\n        sent = self._count(key, len(audio))",
        "self._inside = key\n        self._resampler.reset()\n        sent = self._count(key, len(audio))",
    ),
    Bug(
        "does not fill gaps in the caller's audio",  # openai-agents-js PR 1608
        _CALLER,
        "if gap_ms > ROUNDING_MS:",
        "if False:",
    ),
    Bug(
        "gives a stalled stream no silence",  # the turn never ends
        _CALLER,
        "yield from self._give(held + SILENCE * (missing_ms * BYTES_PER_MS))",
        "yield from ()",
    ),
    Bug(
        "pads with the loudest byte instead of silence",
        _CALLER,
        'SILENCE = b"\\xff"',
        'SILENCE = b"\\x00"',
    ),
    Bug(
        "drops what the caller says while the session is set up",
        _CALLER,
        "self._buffer += audio",
        "pass",
    ),
    Bug(
        "leaves the line open and silent when the model is gone",  # the Python sample, #10
        _ENDING,
        "and not self._machine:\n            yield ClipWanted(self._apologies[self._agent.name])",
        "and not self._machine:\n            self._deadlines = Deadlines()",
    ),
    Bug(
        "takes a stream that closes without `stop` for a live one",
        _ENDING,
        'yield from self._lose_caller(now_ms, "stream_lost", reason)',
        "pass",
    ),
    Bug(
        "asks whether anybody is there while it speaks itself",
        "call/idle.py",
        '    PlaybackBusy: "agent",\n',
        "",
    ),
    Bug(
        "writes down what was not heard",
        "call/transcript.py",
        "if heard_ms >= total_ms:",
        "if True:",
    ),
)
