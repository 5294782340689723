"""Calls that go on though their stream, or the server that had them, has died: what the store knows of them.

Twilio asks what becomes of a call when its stream has ended. Whoever is asked takes the call up, unless it was ended on
purpose; the store sees to it that only one does. It must not know HTTP.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from voice_agent.call.conversation import AgentTurn
from voice_agent.call.setup import CallSetup
from voice_agent.call.trouble import STREAM_LOST, Trouble
from voice_agent.errors import CommandError
from voice_agent.live.checkpointing import Checkpointing, Place, kept_setup, kept_webhook
from voice_agent.live.clock import wall_seconds
from voice_agent.live.metrics import Metrics
from voice_agent.store.checkpoints import KEPT_S, Checkpoint, State, Stored
from voice_agent.store.history import History, PastCall, Remark

logger = logging.getLogger(__name__)

MOST_TAKEN_UP = 5
"""How often one call may lose its stream and go on: what kills a server time and again must not kill it for ever."""

SETTLES_S = 2.0
"""How long a call that is being ended elsewhere may take to say how."""

LOOK_S = 0.1
"""Between two looks."""

SWEEP_S = 600
"""From one look at what is old to the next."""

FORGOTTEN_S = 2 * 3600
"""No call lasts so long without a word; what is left of such a one goes to the history."""

DEAD: tuple[State, ...] = ("expected", "going", "leaving", "lost")
"""States of calls that are not over."""

BACK = (
    "The line broke for a moment by a fault on our side, and is back: you and the caller hear each other again. What "
    "was being said in that moment may not have been heard. Say in a few words that you are back, and go on where you "
    "were; if the caller's last words have no answer yet, answer them now. Do not greet again."
)
"""What the model is told."""


class Continuing:
    """One for the server."""

    def __init__(
        self,
        checkpoints: Checkpointing,
        history: History,
        metrics: Metrics,
        keep: Callable[[PastCall], Awaitable[None]],
    ) -> None:
        """`keep`: puts a row into the history, now or later."""
        self._keep = keep
        self._checkpoints = checkpoints
        self._store = checkpoints.store
        self._history = history
        self._metrics = metrics

    # --- streams -----------------------------------------------------------------------------------------------------

    async def expect(self, setup: CallSetup, fields: Mapping[str, str]) -> bool:
        """Keep that a call's first stream has been ordered; `False`: it has had one."""
        call_sid = setup.call_sid
        checkpoint = Checkpoint(setup=kept_setup(setup), webhook=kept_webhook(fields))
        added = await self._checkpoints.attempt(call_sid, self._store.add(call_sid, checkpoint, wall_seconds()))
        if added is None:
            return True
        known = None if added else await self.find(call_sid)
        if known is not None and known.state != "expected":
            return False
        self._checkpoints.remember(call_sid, Place(0 if known is None else known.number))
        return True

    async def expect_again(self, setup: CallSetup, fields: Mapping[str, str]) -> None:
        """Keep that another stream has been ordered, after one that ended on purpose."""
        await self._checkpoints.settled(setup.call_sid)
        known = await self.find(setup.call_sid)
        if known is None:
            self._checkpoints.forget(setup.call_sid)
            return
        checkpoint = Checkpoint(
            setup=kept_setup(setup),
            webhook=kept_webhook(fields),
            resumption=setup.resumed,
            taken_up=known.checkpoint.taken_up,
        )
        await self._take(known, checkpoint)

    async def find(self, call_sid: str) -> Stored | None:
        """Give what is known of a call, if the store can be asked."""
        try:
            return await self._store.find(call_sid)
        except CommandError as error:
            self._metrics.add("checkpoints_failed")
            logger.error("%s", error, extra={"call": call_sid})  # noqa: TRY400 - the text says it all
            return None

    async def admit(self, call_sid: str, stream_sid: str) -> bool:
        """Let an expected stream in; `False`: another server has."""
        place = self._checkpoints.place(call_sid)
        if place is None:
            return True
        place.stream_sid = stream_sid
        # A store that cannot be used does not turn callers away.
        return await self._checkpoints.attempt(call_sid, self._store.admit(call_sid, place.number)) is not False

    def adopt(self, known: Stored) -> CallSetup:
        """Take over a call whose stream was ordered by another server."""
        self._checkpoints.remember(known.call_sid, Place(known.number, known.checkpoint.taken_up))
        return _goes_on(known.checkpoint)

    async def calls(self) -> int | None:
        """Tell how many calls all servers of the store have; `None`: it cannot be asked."""
        try:
            return await self._store.in_progress()
        except CommandError:
            self._metrics.add("checkpoints_failed")
            return None

    # --- after a stream ----------------------------------------------------------------------------------------------

    async def ended(self, call_sid: str) -> Stored | None:
        """Give what is known of a call whose stream has ended, when it is known whether that was on purpose."""
        await self._checkpoints.settled(call_sid)
        known = await self.find(call_sid)
        for _ in range(round(SETTLES_S / LOOK_S)):
            if known is None or known.state != "leaving":
                break
            await asyncio.sleep(LOOK_S)
            known = await self.find(call_sid)
        return known

    async def was_elsewhere(self, call_sid: str) -> bool:
        """Tell whether a call has had a stream elsewhere since its last one here."""
        place = self._checkpoints.place(call_sid)
        if place is None:
            return False
        known = await self.find(call_sid)
        return known is not None and known.number > place.number

    async def take_up(self, known: Stored, stream_sid: str) -> CallSetup | None:
        """Go on with a call whose stream was lost; `None`: it must not go on, or another server does already.

        `stream_sid`: of the stream that has ended, if Twilio says so.
        """
        extra, checkpoint = {"call": known.call_sid}, known.checkpoint
        if stream_sid and checkpoint.stream_sid and stream_sid != checkpoint.stream_sid:
            logger.warning("a stream has ended that the call has left long since", extra=extra)
            return None
        if checkpoint.taken_up >= MOST_TAKEN_UP:
            logger.error("the call was lost %d times: it is given up", checkpoint.taken_up + 1, extra=extra)
            self._metrics.add("calls_given_up")
            return None
        resumption = checkpoint.resumption
        if resumption is not None:
            left_ms = resumption.left_ms
            if left_ms is not None:
                left_ms -= max(0, wall_seconds() - known.written_at) * 1000
            if left_ms is not None and left_ms <= 0:
                logger.warning("the call was lost when its time was up", extra=extra)
                return None
            begun = any(not isinstance(turn, AgentTurn) or turn.text for turn in resumption.conversation.turns)
            resumption = msgspec.structs.replace(resumption, reason=BACK, left_ms=left_ms) if begun else None
        lost = msgspec.structs.replace(
            checkpoint, resumption=resumption, taken_up=checkpoint.taken_up + 1, row=None, ended=None, stream_sid=""
        )
        taken = await self._take(known, lost)
        if taken is False:
            return None
        self._metrics.add("calls_taken_up")
        if known.handed_over:
            logger.info("the call was handed over and goes on", extra=extra)
        else:
            logger.warning("the call was lost and goes on", extra=extra)
        if taken and checkpoint.row is not None:
            await self._keep(_lost(checkpoint.row))
        return _goes_on(lost)

    async def _take(self, known: Stored, checkpoint: Checkpoint) -> bool | None:
        """Expect the next stream; `False`: another server does already.

        `None`: the store cannot be used, which turns nobody away: what it has stays as it is, and gets nothing more.
        """
        taking = self._store.take_up(known.call_sid, known.number, checkpoint, wall_seconds())
        taken = await self._checkpoints.attempt(known.call_sid, taking)
        if taken:
            self._checkpoints.remember(known.call_sid, Place(known.number + 1, checkpoint.taken_up))
        elif taken is None:
            self._checkpoints.forget(known.call_sid)
        return taken

    # --- the end -----------------------------------------------------------------------------------------------------

    async def over(self, call_sid: str) -> None:
        """The carrier has ended a call: nothing is needed of it any more."""
        await self._checkpoints.settled(call_sid)
        known = await self.find(call_sid)
        # Where something is left for the history, whoever had it is dead, or is just about to write its end.
        if known is not None and known.checkpoint.row is None:
            await self._checkpoints.attempt(call_sid, self._forget(call_sid))

    async def remark(self, call_sid: str, kind: Remark, what: str) -> None:
        """Keep with a call in the history what became known behind its end."""
        try:
            await self._history.remark(call_sid, kind, what, wall_seconds())
        except CommandError as error:
            logger.error("%s", error, extra={"call": call_sid})  # noqa: TRY400 - the text says it all

    async def _forget(self, call_sid: str) -> bool:
        await self._store.forget(call_sid)
        return True

    async def keep_sweeping(self) -> None:
        """See `sweep`; until it is cancelled."""
        while True:
            await self.sweep()
            await asyncio.sleep(SWEEP_S)

    async def sweep(self) -> None:
        """Put what is left of calls that died alone into the history, and forget the others of yesterday."""
        try:
            now_s = wall_seconds()
            # First into the history: what is there already stays, but what is in neither is lost.
            for stored in await self._store.old(now_s - FORGOTTEN_S, DEAD):
                if stored.checkpoint.row is not None:
                    await self._history.add(_lost(stored.checkpoint.row))
            await self._store.drop_old(now_s - FORGOTTEN_S, DEAD)
            await self._store.drop_old(now_s - KEPT_S, ("over",))
        except CommandError as error:
            logger.error("%s", error)  # noqa: TRY400 - the text says it all; the next look tries it again


def _lost(row: PastCall) -> PastCall:
    """Say of a call what became of it. Whoever had it writes its own row, if it is alive after all: that tells more."""
    trouble = (*row.trouble, Trouble(row.duration_ms, STREAM_LOST))
    return msgspec.structs.replace(
        row, outcome="stream_lost", reason="the server that had the call died", trouble=trouble
    )


def _goes_on(checkpoint: Checkpoint) -> CallSetup:
    setup, resumption = checkpoint.setup, checkpoint.resumption
    return setup if resumption is None else setup.going_on(resumption)
