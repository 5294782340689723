"""What becomes of a caller when a stream of their call has ended, or a transfer is over.

The carrier asks. The call is over, or goes elsewhere, or comes back: from keys that were pressed, from a transfer that
came to nothing, from a server that died. It must not know HTTP.
"""

import logging
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode

import msgspec

from voice_agent.audio.dtmf import tones
from voice_agent.audio.mulaw import BYTES_PER_MS
from voice_agent.call.conversation import Resumption
from voice_agent.call.setup import CallSetup
from voice_agent.live.admission import Refusal
from voice_agent.live.lobby import COMES_BACK, EndedCall, Lobby
from voice_agent.live.metrics import Metrics
from voice_agent.server.carrier_reports import ENDED_STATUSES
from voice_agent.server.colleagues import Colleagues
from voice_agent.server.continuing import Continuing
from voice_agent.server.last_resort import NOT_CONNECTED, STOPPED, THANKS, last_line, last_resort, message_left
from voice_agent.server.ordered_streams import OrderedStreams
from voice_agent.server.refusals import Refusals
from voice_agent.server.sending_on import send_on, send_on_at_once
from voice_agent.server.stopping import Stopping
from voice_agent.server.terms import Terms
from voice_agent.server.transfers import CARRIED, CONNECTED, came_back, dial, why
from voice_agent.store.checkpoints import Stored
from voice_agent.store.history import MESSAGE_LEFT
from voice_agent.wire import twiml

logger = logging.getLogger(__name__)

PRESSED_BEFORE_MS = 5000
"""So long a session that is made already waits for keys that are pressed before its stream."""

OUTCOME_SECONDS = 2.0
"""How long an `action` request waits for a call that is just ending. Twilio itself waits 15 s."""

NOT_BROUGHT = "colleague-not-brought"
"""Instead of a `DialCallStatus`, where we have taken the caller back ourselves."""

LOST = frozenset({"stream_lost", "stopped", "no_stream"})
"""Outcomes of calls that may go on elsewhere, or were there all the time."""


class Afterwards:
    """One for the server."""

    def __init__(
        self,
        terms: Terms,
        lobby: Lobby,
        streams: OrderedStreams,
        stopping: Stopping,
        *,
        metrics: Metrics,
        refusals: Refusals,
        continuing: Continuing | None = None,
        colleagues: Colleagues | None = None,
    ) -> None:
        """`continuing`: `None` where a call ends with its stream. `colleagues`: `None` where none can be called."""
        self._terms = terms
        self._lobby = lobby
        self._streams = streams
        self._stopping = stopping
        self._metrics = metrics
        self._refusals = refusals
        self._continuing = continuing
        self._colleagues = colleagues

    async def after_stream(self, fields: Mapping[str, str]) -> str:
        """Say what becomes of a call whose stream has ended."""
        call_sid = fields.get("CallSid", "")
        if "RecordingSid" in fields:
            self._metrics.add("messages_left")
            told = message_left(fields)
            logger.warning("%s", told, extra={"call": call_sid})
            if self._continuing is not None:
                await self._continuing.remark(call_sid, MESSAGE_LEFT, told)
            return twiml.hang_up(THANKS)
        if self._lobby.has_left(call_sid, fields.get("StreamSid", "")):
            self._refusals.tell(Refusal.WEBHOOK_REPLAYED, "the call goes on in another stream", call_sid)
            return twiml.hang_up()
        known = await self._lobby.outcome_after_stream(call_sid, OUTCOME_SECONDS)
        if self._continuing is not None and not await self._is_the_last(call_sid, known):
            stored = await self._continuing.ended(call_sid)
            if stored is not None and stored.state != "over" and (again := await self._go_on(stored, fields)):
                return again
            known = self._outcome_elsewhere(stored) or known
        ended = known.ended if known else None
        logger.info("after the stream: %s", ended.outcome if ended else "unknown", extra={"call": call_sid})
        if fields.get("CallStatus") in ENDED_STATUSES:
            # The caller has hung up while the stream was being closed: nobody is to be called, and no session begun.
            return twiml.hang_up()
        destination = None if ended is None else ended.destination
        after_dial = self._terms.after_dial_url
        if known is not None and ended is not None and ended.outcome == "model_failed":
            usual = last_line(ended, can_apologise=self._terms.can_apologise)
            again = self._terms.after_stream_url
            return last_resort(known.agent, usual=usual, after_dial=after_dial, after_record=again)
        if destination is not None and destination.conference and self._colleagues is not None:
            self._colleagues.join(destination.conference, call_sid, after_dial)
            return self._colleagues.meeting(destination.conference, after_dial)
        if destination is not None:
            return dial(destination, after_dial)
        keys = None if ended is None else ended.keys
        if known is not None and known.resumption is not None and keys is not None:
            if not self._stopping.last:
                return await self._press(known.setup, known.resumption, keys, fields)
            if self._stopping.last == "hands over":
                return self._ask_another(fields)
        return twiml.hang_up(last_line(ended, can_apologise=self._terms.can_apologise))

    async def _press(self, setup: CallSetup, resumption: Resumption, keys: str, fields: Mapping[str, str]) -> str:
        """Have the carrier press keys, and then stream the call to us again."""
        # A session that waits for its stream for too long is given up.
        preconnect = self._terms.preconnect and len(tones(keys)) <= PRESSED_BEFORE_MS * BYTES_PER_MS
        setup = msgspec.structs.replace(self._terms.here(setup.going_on(resumption)), preconnect=preconnect)
        # https://www.twilio.com/docs/voice/twiml/play#attributes-digits names `w` alone.
        answer = self._streams.order(setup.call_sid, setup.agent, f"keys-{resumption.pressed}", keys.replace("W", "ww"))
        await self._streams.expect_again(setup, fields)
        return answer

    async def _go_on(self, stored: Stored, fields: Mapping[str, str]) -> str | None:
        """Take up a call whose stream, or whose server, has died; `None`: it ends."""
        assert self._continuing is not None, "whoever asks has looked"
        if fields.get("CallStatus") in ENDED_STATUSES:
            return None
        if self._stopping.last:
            return self._ask_another(fields) if self._stopping.last == "hands over" else None
        setup = await self._continuing.take_up(stored, fields.get("StreamSid", ""))
        if setup is None:
            return None
        self._streams.have(setup.call_sid)
        setup = self._terms.here(setup)
        await self._lobby.dismiss(setup.call_sid, OUTCOME_SECONDS)
        self._lobby.expect(setup, fields)
        begun = setup.resumed is not None
        return self._streams.order(setup.call_sid, setup.agent, f"lost-{stored.number + 1}", begun=begun)

    def _ask_another(self, fields: Mapping[str, str]) -> str:
        return send_on_at_once(self._terms.after_stream_url, fields)

    async def after_dial(self, fields: Mapping[str, str]) -> str:
        """Say what becomes of a caller whose transfer is over: if it came to nothing, they are back with the agent."""
        call_sid, status = fields.get("CallSid", ""), fields.get("DialCallStatus", "")
        if status in CONNECTED or fields.get("CallStatus") in ENDED_STATUSES:
            logger.info("after the transfer: %s", status or "the caller is gone", extra={"call": call_sid})
            if status and status not in CONNECTED and self._continuing is not None:
                # Whoever looks for callers to be called back finds this one.
                await self._continuing.remark(call_sid, "transfer failed", "the caller hung up before anybody answered")
            return twiml.hang_up()
        if self._stopping.last:
            # What became of the transfer is told once only, so the next one is told by us.
            told = urlencode({name: fields[name] for name in CARRIED if name in fields})
            hands_over = self._stopping.last == "hands over"
            address = f"{self._terms.after_dial_url}?{told}"
            return send_on(address) if hands_over else twiml.hang_up(STOPPED)
        known = await self._lobby.outcome(call_sid, OUTCOME_SECONDS)
        if self._continuing is not None and not await self._is_the_last(call_sid, known):
            known = self._outcome_elsewhere(await self._continuing.ended(call_sid)) or known
        destination = None if known is None or known.ended is None else known.ended.destination
        if known is None or destination is None or known.resumption is None:
            self._refusals.not_answered(
                f"a transfer ended ({status}), and nothing is known of its call any more", call_sid
            )
            return twiml.hang_up(NOT_CONNECTED)
        reply = fields.get("DialSipResponseCode", "")
        logger.warning(
            "the transfer to %s came to nothing: %s%s",
            destination.name, status or NOT_BROUGHT, f" (SIP {reply})" if reply else "", extra={"call": call_sid},
        )  # fmt: skip
        self._metrics.add("transfers_failed", status=status or NOT_BROUGHT)
        resumed = msgspec.structs.replace(known.resumption, reason=came_back(destination, fields))
        setup = self._terms.here(known.setup.going_on(resumed))
        occasion = fields.get("DialCallSid", "").replace(".", "") or secrets.token_hex(8)
        if self._streams.had(call_sid, occasion):
            self._refusals.tell(Refusal.WEBHOOK_REPLAYED, "the call has had its stream after this transfer", call_sid)
            return twiml.hang_up()
        answer = self._streams.order(call_sid, setup.agent, occasion)
        await self._streams.expect_again(setup, fields)
        if self._continuing is not None:
            await self._continuing.remark(call_sid, "transfer failed", f"{destination.name}, {why(fields)}")
        return answer

    async def _is_the_last(self, call_sid: str, known: EndedCall | None) -> bool:
        """Tell whether what is known here of a call's end is about its latest stream."""
        if known is None or known.ended is None or known.ended.outcome in LOST:
            return False
        if known.ended.outcome not in COMES_BACK or self._continuing is None:
            return True
        return not await self._continuing.was_elsewhere(call_sid)

    def _outcome_elsewhere(self, stored: Stored | None) -> EndedCall | None:
        """Tell how a call ended that another server had."""
        if stored is None or stored.state != "over":
            return None
        kept = stored.checkpoint
        return EndedCall(kept.ended, kept.setup, kept.resumption, kept.had_by)
