"""One call of a caller with a part to a real session: today's agent, the sockets and the clock of life.

What replays against a model and scenarios share. It must not know where the part comes from, nor what is expected.
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import msgspec

from voice_agent.agent import Agent
from voice_agent.call.commands import Note, Report
from voice_agent.call.conversation import Resumption
from voice_agent.call.summary import Line
from voice_agent.config.agents import OneAgent
from voice_agent.config.references import NOTHING, References
from voice_agent.config.scenario_keys import Given
from voice_agent.config.settings import Settings
from voice_agent.emulator.caller import Part, Played, Watch, play
from voice_agent.emulator.twilio import Callee, EmulatedCall
from voice_agent.errors import CommandError
from voice_agent.live.clock import utc_now
from voice_agent.live.opened_call import FinishedCall
from voice_agent.recording.spool import make_folder
from voice_agent.replay.held_call import HeldCall
from voice_agent.server.private_line import RINGS_MS, PrivateLine, private_line
from voice_agent.server.run import database_place
from voice_agent.store.database import Database

FOLDER = "talks"
"""Below `DATA`, with a history of their own: nobody called."""

LONGEST_S = 3700.0
"""Sessions live an hour at most; this is for machines that are asleep."""


class Talk(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    call: HeldCall
    recording: Path
    lines: list[Line]
    """The transcript."""
    problem: str
    """Why the caller could not play the part; empty: it was played, or the agent ended the call."""
    errors: tuple[tuple[int, str], ...]
    """What the call noted as errors, each with its time in ms of the call."""
    unplayed: int
    """So many moves were left when the agent ended the call."""
    remarks: tuple[str, ...]
    """What could not be done as written."""


async def talk(
    part: Part,
    agent: Agent,
    settings: Settings,
    *,
    caller: str,
    called: str,
    emulator_url: str = "",
    references: References = NOTHING,
    others: Iterable[Agent] = (),
    now: Callable[[], datetime] = utc_now,
    given: Given | None = None,
    resumed: Resumption | None = None,
) -> Talk:
    """Hold the call, in real time. Its recording goes below `settings.data`, whatever the agent says of recordings.

    `references`: what the agent may name, with the values. `others`: those whom it may leave the call to. `now`: what
    they take for the time when the call comes. `given`: what is otherwise than in life. `resumed`: what the call goes
    on from; `None`: it begins.

    Raises `CommandError` or `ConfigError` when it cannot be held at all.
    """
    watch = Watch()
    reports: list[tuple[int, Report]] = []
    finished: list[FinishedCall] = []

    def take(now_ms: int, report: Report) -> None:
        reports.append((now_ms, report))
        watch.take(report)

    first = FirstCall(take)

    own = _own(settings)
    recorded = _recorded(agent)
    async with (
        asyncio.timeout(LONGEST_S),
        private_line(
            own,
            OneAgent(recorded, references, map(_recorded, others)),
            emulator_url=emulator_url,
            observers=[first.observe],
            keep=[finished.append],
            now=now,
            given=given,
            resumed=resumed,
        ) as line,
    ):
        call, played = await take_part(line, agent, part, watch, caller=caller, called=called, given=given)
        refused = "; ".join(entry.problem for entry in call.warnings)
    recording = first.recording_of(finished)
    if recording is None:
        raise CommandError(f"no call was held: {refused or played.problem}")
    return Talk(
        call=HeldCall(reports, settings.model),
        recording=recording,
        lines=first.of(finished)[0].summary.lines,
        problem=played.problem,
        errors=tuple((at_ms, told) for at_ms, report in reports if (told := _error(report))),
        unplayed=len(part.moves) - played.moves,
        remarks=played.remarks,
    )


async def prepare(settings: Settings) -> None:
    """Make what calls that are held at once share, so that not each of them makes it."""
    own = _own(settings)
    make_folder(own.data)
    async with Database(database_place(own)) as database:
        await database.prepare()


def _own(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, data=settings.data / FOLDER)


class FirstCall:
    """Tells the first call apart from others: a colleague's who is asked meanwhile."""

    def __init__(self, take: Callable[[int, Report], None]) -> None:
        self._take = take
        self._call_sid = ""

    def observe(self, call_sid: str, now_ms: int, report: Report) -> None:
        """See `CallObserver`."""
        self._call_sid = self._call_sid or call_sid
        if call_sid == self._call_sid:
            self._take(now_ms, report)

    def of(self, finished: Iterable[FinishedCall]) -> list[FinishedCall]:
        """Give what is left of it, stream by stream."""
        return [one for one in finished if one.setup.call_sid == self._call_sid]

    def recording_of(self, finished: Iterable[FinishedCall]) -> Path | None:
        """Give the recording of its first stream."""
        return next((one.recording for one in self.of(finished)), None)


async def take_part(
    line: PrivateLine, agent: Agent, part: Part, watch: Watch, *, caller: str, called: str, given: Given | None
) -> tuple[EmulatedCall, Played]:
    """Ring up, or be called and answer with the part's first move; then play it to the end of the call."""
    answered_by = None if given is None else given.answered_by
    if answered_by is None:
        call = line.ring(caller, called)
        return call, await play(call, part, watch, greeted=agent.greeting is not None)
    if answered_by == "machine":
        said = b"".join(move.sound for move in part.moves)
        call = await line.dial(agent.name, caller, called, Callee(is_a="machine", rings_ms=RINGS_MS, greeting=said))
        await call.ended()
        return call, Played(len(part.moves))
    first, *rest = part.moves
    person = Callee(rings_ms=RINGS_MS, greeting=first.sound)
    call = await line.dial(agent.name, caller, called, person)
    later = msgspec.structs.replace(part, moves=tuple(rest))
    played = await play(call, later, watch, greeted=agent.greeting is not None)
    return call, msgspec.structs.replace(played, moves=played.moves + 1)


def _recorded(agent: Agent) -> Agent:
    return msgspec.structs.replace(agent, recording="audio")


def _error(report: Report) -> str:
    if not isinstance(report, Note) or report.level != "error":
        return ""
    fields = ", ".join(f"{key}: {value}" for key, value in report.fields.items())
    return f"{report.what} ({fields})" if fields else report.what
