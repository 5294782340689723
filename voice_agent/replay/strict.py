"""Strict replay: every recorded input at its recorded time into today's core; its outputs must be the same.

For work on the bridge itself. There is no tolerance: texts are compared as parsed JSON, derived audio by length and
digest (by length alone where the received audio was not kept), everything else as values. What a core does by its own
clock is an input of the recording (`TimerFired`), so its deadlines are compared as well: it must have been woken where
the recorded one was, and not where that one slept.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import Any, get_args

import msgspec

from voice_agent.call.commands import Report, Work
from voice_agent.call.events import TimerFired
from voice_agent.errors import PeerError
from voice_agent.live.recorded import describe
from voice_agent.recording.cutting import seal, sealed_length
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.reader import Recording
from voice_agent.recording.telling import clock, is_worth_telling, report_line, report_of, shown
from voice_agent.review.feeding import Failed, output_of, refeed

BEFORE_SHOWN, AFTER_SHOWN = 5, 3
"""How many reports are told before and after a difference: about one exchange."""

OVERSLEPT_MS = 1000
"""A deadline so long past was none: a loop under load wakes a call late, but not as late as that."""

CHANGES_SHOWN = 4
"""Fields that are named when two texts differ; beyond that they are better read as a whole."""

_MEANINGS = {
    "media": "sound for the caller",
    "mark": "a mark behind that sound",
    "clear": "the carrier is to drop what it has queued",
    "session.update": "how the session is set up",
    "input_audio_buffer.append": "the caller's sound for the model",
    "response.create": "an answer is asked for",
    "response.cancel": "an answer is stopped",
    "conversation.item.truncate": "the model's memory of an answer is cut to what was heard",
    "conversation.item.create": "the model is given keys or a tool's result",
}
"""What is sent through the sockets, for who does not know the protocols by heart."""


class Difference(msgspec.Struct, frozen=True):
    """The first place where today's core does something else."""

    now_ms: int
    step: int
    """Counted from 0, the call's beginning."""
    received: Entry | None
    """What was fed there; `None`: the beginning."""
    recorded: Entry | None
    """What came out then; `None`: nothing more."""
    today: Entry | None
    """What comes out now; `None`: nothing more."""
    failure: str
    """Why nothing comes out now, when the core failed."""
    waking: str = ""
    """How the two cores' own clocks differ, when that is the difference."""
    besides: tuple[str, ...] = ()
    """What else differs in the same step."""
    around: tuple[tuple[int, str], ...] = ()
    """What the recording reports of the call before it, in it and after it, each with its time."""

    def __str__(self) -> str:
        """Tell it as a person would want to see it; several lines."""
        lines = [f"differs at {clock(self.now_ms)}, step {self.step:,}: {self._headline()}"]
        if self.around:
            lines += ["  the call around it, as recorded:", *map(self._moment, self.around)]
        lines.append(f"  then came:     {'the call began' if self.received is None else shown(self.received)}")
        if self.waking:
            return "\n".join(lines)
        lines.append(f"  was sent then: {shown(self.recorded)}")
        lines.append(f"  would be now:  {f'the core fails: {self.failure}' if self.failure else shown(self.today)}")
        changes = _changes(self.recorded, self.today)
        if 0 < len(changes) <= CHANGES_SHOWN:
            lines.append(f"  that is:       {'; '.join(changes)}")
        return "\n".join([*lines, *(f"  and with it:   {change}" for change in self.besides)])

    def _headline(self) -> str:
        """Say what differs, in words."""
        if self.waking or self.failure:
            return self.waking or f"the core fails: {self.failure}"
        then, now = map(_named, (self.recorded, self.today))
        if then == now:
            return then
        return f"not {then}, but {now}" if then and now else f"no {then} any more" if then else f"{now}, too"

    def _moment(self, moment: tuple[int, str]) -> str:
        at_ms, what = moment
        return f"  {'>' if at_ms == self.now_ms else ' '} {clock(at_ms)}  {what}"


class Replayed(msgspec.Struct, frozen=True):
    """What a strict replay found."""

    difference: Difference | None
    steps: int
    """Compared, all of them the same up to the difference."""
    duration_ms: int
    """How much of the call was compared."""
    cut_at: int | None
    """The byte from which on the file is missing; `None`: it is whole, or was not read so far."""
    damage: str
    """Why the rest cannot be read or fed; empty when there is nothing of the kind."""

    @property
    def same(self) -> bool:
        """Whether the whole of a whole recording is the same."""
        return self.difference is None and self.cut_at is None and not self.damage


def replay(recording: Recording, clips: Mapping[str, bytes]) -> Replayed:
    """Replay a recording strictly; stops at the first difference. Raises nothing for what a file holds."""
    judge = _Judge(recording.header.audio == "kept")
    damage = ""
    try:
        for step, outputs in refeed(recording, clips, judge.look_at_clock):
            if judge.compare(step, [describe(output) for output in outputs]):
                break
    except PeerError as error:
        damage = str(error)
    except Failed as failed:
        judge.fail(failed)
    difference = judge.difference
    if difference is not None:
        around = tuple(_around(recording, judge.steps))
        difference = msgspec.structs.replace(difference, around=around)
    return Replayed(difference, judge.steps, judge.now_ms, recording.cut_at, damage)


def _around(recording: Recording, place: int) -> Iterator[tuple[int, str]]:
    """Read once more what the call said of itself around a step; the steps are counted without remarks."""
    before = deque[tuple[int, str]](maxlen=BEFORE_SHOWN)
    after = 0
    fed = (step for step in recording.steps() if step.received is None or step.received.way != "remark")
    with suppress(PeerError):
        for number, step in enumerate(fed):
            reports = [report for report in map(report_of, step.sent) if report is not None]
            told = [(step.now_ms, report_line(report)) for report in reports if is_worth_telling(report)]
            if number < place:
                before.extend(told)
                continue
            yield from before
            before.clear()
            yield from told
            after += len(told) if number > place else 0
            if after >= AFTER_SHOWN:
                return


class _Judge:
    """Compares step by step, up to the first difference."""

    def __init__(self, audio_is_kept: bool) -> None:
        self.difference: Difference | None = None
        self.steps = 0
        self.now_ms = 0
        self._audio_is_kept = audio_is_kept

    def look_at_clock(self, step: Step, due_ms: int | None) -> None:
        """Take the deadline that today's core has set when a step begins; a difference is kept for `compare`."""
        waking = ""
        if step.received == _WOKEN:
            if due_ms is None or due_ms > step.now_ms:
                waits = "for nothing" if due_ms is None else f"until {clock(due_ms)}"
                waking = f"the core's own clock woke it then; today's core sleeps there, and waits {waits}"
        elif due_ms is not None and due_ms + OVERSLEPT_MS < step.now_ms:
            waking = f"the core slept on then; today's core would have been woken at {clock(due_ms)} by its own clock"
        if waking:
            self._differ(step, None, None, waking=waking)

    def compare(self, step: Step, today: Sequence[Entry]) -> bool:
        """Take one step; true at the first difference."""
        if self.difference is not None:
            return True
        differing = [
            (was, sealed)
            for was, now in zip_longest(step.sent, today)
            if was != (sealed := _sealed(now)) and not _same(was, sealed, self._audio_is_kept)
        ]
        if not differing:
            self.steps += 1
            self.now_ms = step.now_ms
            return False
        # Where one is missing, all behind it differ.
        more = differing[1:] if len(step.sent) == len(today) else []
        besides = (f"{_named(now)}: {'; '.join(_changes(was, now)[:CHANGES_SHOWN])}" for was, now in more)
        self._differ(step, *differing[0], besides=tuple(besides))
        return True

    def fail(self, failed: Failed) -> None:
        """Take the core's failure in the step after the last that was compared."""
        sent = failed.step.sent
        if self.difference is None:
            self._differ(failed.step, sent[0] if sent else None, None, failure=str(failed))

    def _differ(
        self,
        step: Step,
        was: Entry | None,
        now: Entry | None,
        *,
        failure: str = "",
        waking: str = "",
        besides: tuple[str, ...] = (),
    ) -> None:
        self.difference = Difference(step.now_ms, self.steps, step.received, was, now, failure, waking, besides)


_WOKEN = describe(TimerFired())


def _sealed(entry: Entry | None) -> Entry | None:
    return None if entry is None else Entry(entry.way, seal(entry.way, entry.text))


def _named(entry: Entry | None) -> str:
    """Name what was sent, and say what it means; `None`: nothing."""
    if entry is None:
        return ""
    parsed = _parsed(entry.text)
    name = str(parsed.get("event" if entry.way == "phone" else "type", "")) if isinstance(parsed, dict) else ""
    meaning = _MEANINGS.get(name, "") or (_FACTS[name] if entry.way == "fact" and name in _FACTS else "")
    return f"{name or 'a text'} ({meaning})" if meaning else name or "a text"


_FACTS = {kind.__name__: (kind.__doc__ or "").partition(".")[0] for kind in get_args(Report | Work)}


def _same(was: Entry | None, now: Entry | None, audio_is_kept: bool) -> bool:
    if was is None or now is None or was.way != now.way:
        return False
    if was.way == "fact":
        # As values, so that a field which a later version adds, with its default, is no difference.
        try:
            return output_of(was) == output_of(now)
        except PeerError:
            return False
    before, after = _parsed(was.text), _parsed(now.text)
    if before == after:
        return True
    return not audio_is_kept and _parsed(_length_only(was)) == _parsed(_length_only(now))


def _parsed(text: str) -> Any:
    """Parse JSON; text that is none stands for itself."""
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return (text,)


def _length_only(entry: Entry) -> str:
    found = sealed_length(entry.way, entry.text)
    if found is None:
        return entry.text
    start, end, length = found
    return f"{entry.text[:start]}~{length}{entry.text[end:]}"


def _changes(was: Entry | None, now: Entry | None) -> list[str]:
    """Name the fields in which two texts differ."""
    if was is None or now is None:
        return []
    return _changed("", _parsed(was.text), _parsed(now.text))


def _changed(path: str, was: Any, now: Any) -> list[str]:
    if isinstance(was, dict) and isinstance(now, dict):
        fields = list(dict.fromkeys([*was, *now]))
        pairs = [(f"{path}.{field}" if path else field, was.get(field), now.get(field)) for field in fields]
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        pairs = [
            (f"{path}[{index}]", before, after) for index, (before, after) in enumerate(zip(was, now, strict=True))
        ]
    else:
        return [f"{path or 'the text'}: {_short(was)} -> {_short(now)}"]
    return [change for name, before, after in pairs if before != after for change in _changed(name, before, after)]


def _short(value: Any) -> str:
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= 80 else f"{text[:80]}…"
