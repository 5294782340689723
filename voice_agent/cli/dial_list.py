"""`voice-agent dial --list`: calls the numbers of a CSV, each once, some at a time, and goes on where it was stopped.

The list has a column `number`, and one for each variable that differs; an empty cell is the agent's own value. Its
journal stands beside it, see `store.dialled`.
"""

import asyncio
import csv
import io
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

import msgspec

from voice_agent.cli.dial_watch import MODEL_FAILED, Callbacks, ForgottenError, follow, outcome_of
from voice_agent.errors import CommandError, ConfigError, PeerError, RefusedError, printable
from voice_agent.live.clock import utc_now
from voice_agent.store.dialled import PLACED, PLACING, Journal, Step, journal_path, open_journal
from voice_agent.twilio_api.calls import CallsApi
from voice_agent.twilio_api.dialler import Dialler
from voice_agent.twilio_api.dialling import OutboundCall, Wish

OF_THE_NUMBER = frozenset({"21211", "21214", "21215", "21216", "21217", "21219"})
"""Refusals that are about one number; any other would meet the next one, too."""

REFUSED, UNKNOWN = "refused", "unknown"
"""Outcomes beside Twilio's statuses: there was no call; there was one, and nobody knows any more what came of it."""

NO_MODEL = "the model failed in a call, and would in the next; the server's log says why"

NUMBER = "number"

MOST_FAULTS = 20

Plan = Callable[[Wish], OutboundCall]


async def dial_list(
    listed: Path,
    usual: Wish,
    plan: Plan,
    dialler: Dialler,
    api: CallsApi,
    *,
    at_once: int,
    tell: Callable[[str], None],
    every_s: float,
    before: Callable[[], Awaitable[None]],
    callbacks: Callbacks | None = None,
) -> int:
    """Call all that were not called yet; 0, or 1 if some are left. `usual`: agent, caller's number, common variables.

    `before` is awaited before each number, when the list is right; what it raises stops the list. Raises
    `CommandError`: nobody was called.
    """
    calls = read_list(listed, usual, plan, tell)
    with open_journal(journal_path(listed)) as journal:
        left = [call for call in calls if (step := journal.last(call.to)) is None or not step.over]
        told = f"{len(calls)} numbers, {len(calls) - len(left)} of them called before" if left else "all were called"
        tell(f"{listed.name}: {told}; journal: {journal.path.name}")
        if not left:
            return 0
        await before()
        queue = _Queue(
            journal,
            dialler,
            api,
            tell,
            at_once=at_once,
            total=len(left),
            every_s=every_s,
            before=before,
            callbacks=callbacks,
        )
        try:
            await queue.work(left)
        except asyncio.CancelledError:
            tell("stopped: no further number is called; calls that were placed go on")
            raise
        tell(queue.summary())
        return 0 if queue.finished == len(left) else 1


def read_list(listed: Path, usual: Wish, plan: Plan, tell: Callable[[str], None]) -> list[OutboundCall]:
    """Read a list, each number once; raises `CommandError` with a line for each fault."""
    try:
        text = listed.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        what = (
            (error.strerror or "not readable")
            if isinstance(error, OSError)
            else 'not UTF-8 text; save it as "CSV UTF-8"'
        )
        raise CommandError(f"{listed}: {what}") from error
    head = text.partition("\n")[0]
    separator = ";" if ";" in head and "," not in head else ","
    reader = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        rows.extend((reader.line_num, [cell.strip() for cell in row]) for row in reader)
    except csv.Error as error:
        begins = rows[-1][0] + 1 if rows else 1
        raise CommandError(f"{listed}:{begins}: {error}; is a quote never closed?") from error
    names = rows.pop(0)[1] if rows else []
    if NUMBER not in names:
        there = ", ".join(printable(f'"{name[:40]}"') for name in names[:MOST_FAULTS] if name) or "none"
        what = f"the first line names the columns, separated by commas or semicolons; there are: {there}"
        raise CommandError(f'{listed}:1: there is no column "{NUMBER}"; {what}')
    for name in filter(None, names):
        if names.count(name) > 1:
            raise CommandError(f'{listed}:1: there are two columns "{name}"; keep one')
    calls: dict[str, OutboundCall] = {}
    faults: list[str] = []
    for line, row in rows:
        where = f"{listed}:{line}"
        if not any(row):
            continue  # a spreadsheet's, which also leaves empty columns
        if any(row[len(names) :]) or any(cell for name, cell in zip(names, row, strict=False) if not name):
            faults.append(f"{where}: there are more cells than columns with a name")
            continue
        cells = {name: cell for name, cell in zip(names, row, strict=False) if cell}
        to = cells.pop(NUMBER, "")
        wish = msgspec.structs.replace(usual, to=to, variables={**usual.variables, **cells})
        try:
            call = plan(wish)
        except (CommandError, ConfigError) as error:
            faults.append(f"{where}: {error}")
            continue
        if call.to in calls:
            tell(f"{where}: {call.to} is there twice; it is called once")
        calls.setdefault(call.to, call)
    if faults:
        more = [f"{len(faults) - MOST_FAULTS} more"] if len(faults) > MOST_FAULTS else []
        raise CommandError("\n".join([*faults[:MOST_FAULTS], *more, "nothing was dialled"]))
    if not calls:
        raise CommandError(f"{listed}: there is no number in it")
    return list(calls.values())


class _Queue:
    """Calls that wait, go on and are over."""

    def __init__(
        self,
        journal: Journal,
        dialler: Dialler,
        api: CallsApi,
        tell: Callable[[str], None],
        *,
        at_once: int,
        total: int,
        every_s: float,
        before: Callable[[], Awaitable[None]],
        callbacks: Callbacks | None = None,
    ) -> None:
        self.finished = 0
        self._before = before
        self._callbacks = callbacks
        self._journal = journal
        self._dialler = dialler
        self._api = api
        self._tell = tell
        self._total = total
        self._every_s = every_s
        self._free = asyncio.Semaphore(at_once)
        self._stopped = ""
        self._outcomes: Counter[str] = Counter()

    async def work(self, calls: list[OutboundCall]) -> None:
        """Call them in order; what stops the list is told, and what goes on then is still followed."""
        async with asyncio.TaskGroup() as tasks:
            for number, call in enumerate(calls, 1):
                await self._free.acquire()
                # What stops the list may come while the next one waits for its turn.
                await asyncio.sleep(self._dialler.waits_s)
                if self._stopped:
                    break
                tasks.create_task(self._call(number, call))
        if self._stopped:
            self._tell(f"stopped: {self._stopped}")

    def summary(self) -> str:
        """Say what came of them."""
        counted = ", ".join(f"{count} {outcome}" for outcome, count in self._outcomes.most_common())
        left = self._total - self.finished
        return f"{self.finished} called: {counted or 'none'}" + (f"; {left} left: run it again" if left else "")

    async def _call(self, number: int, call: OutboundCall) -> None:
        width = len(str(self._total))

        def tell(what: str) -> None:
            self._tell(f"[{number:>{width}}/{self._total}] {call.to:<16} {what}")

        sid = ""
        try:
            sid = await self._placed(call, tell)
            if not sid:
                return
            course = await follow(self._api, sid, tell, self._every_s, self._callbacks)
            step = {"sid": sid, "answered_by": course.answered_by, "seconds": str(course.seconds)}
            outcome = outcome_of(course)
            self._over(call, outcome, step)
            if outcome == MODEL_FAILED:
                tell(outcome)
                self._stopped = self._stopped or NO_MODEL
        except ForgottenError as error:
            tell(str(error))
            self._over(call, UNKNOWN, {"sid": sid, "remark": str(error)})
        except (PeerError, CommandError) as error:
            tell(str(error))
            self._stopped = self._stopped or str(error)
        finally:
            self._free.release()

    async def _placed(self, call: OutboundCall, tell: Callable[[str], None]) -> str:
        """Give the call's SID, be it placed now or in a former run; empty: this number is refused."""
        former = self._journal.last(call.to)
        sid = "" if former is None else former.sid
        if former is not None and not sid:
            sid = await self._dialler.look_up(call.to, former.from_ or call.from_, _moment(former.at)) or ""
        if not sid:
            # Who answers while no server is there hears an error of Twilio's, and is never called again.
            await self._before()
            self._write(call, PLACING)
            try:
                return await self._dialler.place(call, lambda placed: self._write(call, PLACED, sid=placed))
            except RefusedError as error:
                if error.code in OF_THE_NUMBER:
                    tell(str(error))
                    self._over(call, REFUSED, {"remark": str(error)})
                    return ""
                self._write(call, PLACING, remark="refused")
                raise
        self._write(call, PLACED, sid=sid)
        return sid

    def _over(self, call: OutboundCall, outcome: str, step: dict[str, str]) -> None:
        self._write(call, outcome, **step)
        self._outcomes[outcome] += 1
        self.finished += 1

    def _write(self, call: OutboundCall, state: str, **more: str) -> None:
        at = utc_now().isoformat(timespec="seconds")
        self._journal.add(Step(at=at, number=call.to, state=state, from_=call.from_, **more))


def _moment(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(0, utc_now().tzinfo)
