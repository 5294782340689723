"""What the server decides about calls: which agent answers, who may stream, and what follows a stream.

Requests come here after their signature was checked, as plain values; answers are TwiML. It must not know HTTP.
"""

import logging
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode

import msgspec

from voice_agent.agent import Agent, BargeIn
from voice_agent.audio.dtmf import tones
from voice_agent.audio.mulaw import BYTES_PER_MS
from voice_agent.call.conversation import Resumption
from voice_agent.call.events import AnsweredBy, MachineVerdict
from voice_agent.call.setup import CallSetup
from voice_agent.config.agents import Agents, AgentSource
from voice_agent.config.render import MAX_CALLER_CHARACTERS, render, variables_in
from voice_agent.errors import ConfigError
from voice_agent.live.admission import NONCE_BYTES, TOKEN_PARAMETER, Refusal, StreamTokens, examine_start
from voice_agent.live.capacity import Capacity
from voice_agent.live.clock import utc_now, wall_seconds
from voice_agent.live.kept_greetings import KeptGreetings
from voice_agent.live.lobby import EndedCall, Lobby
from voice_agent.live.metrics import Metrics
from voice_agent.live.session import Session
from voice_agent.live.switchboard import Seat
from voice_agent.server.carrier_errors import stream_error, webhook_error
from voice_agent.server.colleagues import Colleagues
from voice_agent.server.continuing import Continuing
from voice_agent.server.courses import Courses
from voice_agent.server.last_resort import (
    ALL_BUSY,
    CANNOT_ANSWER,
    NOBODY_HERE,
    NOT_CONNECTED,
    STOPPED,
    THANKS,
    last_line,
    last_resort,
    message_left,
    way_out,
)
from voice_agent.server.missed_calls import MissedCalls
from voice_agent.server.refusals import Refusals
from voice_agent.server.sending_on import send_on, send_on_at_once
from voice_agent.server.terms import Terms
from voice_agent.server.transfers import CARRIED, CONNECTED, came_back, dial, why
from voice_agent.store.checkpoints import Stored
from voice_agent.store.history import MESSAGE_LEFT, NotTaken, PastCall, call_not_taken
from voice_agent.tools.lookup import Found, look_up
from voice_agent.twilio_api.dialling import dialled, values_given
from voice_agent.wire import twiml
from voice_agent.wire.twilio import Start

logger = logging.getLogger(__name__)

OUTBOUND = "outbound-api"
"""The `Direction` of calls that the REST API has placed."""

VOICE_PATH = "/twilio/voice"
AFTER_STREAM_PATH = "/twilio/after-stream"
STATUS_PATH = "/twilio/status"
AFTER_DIAL_PATH = "/twilio/after-dial"

ENDED_STATUSES = frozenset({"completed", "canceled", "busy", "failed", "no-answer"})
"""`CallStatus` values after which nobody is on the line."""

PRESSED_BEFORE_MS = 5000
"""So long a session that is made already waits for keys that are pressed before its stream."""

OUTCOME_SECONDS = 2.0
"""How long an `action` request waits for a call that is just ending. Twilio itself waits 15 s."""

LOST = frozenset({"stream_lost", "stopped"})
"""Outcomes of calls that may go on elsewhere."""

CALL_SID = re.compile(r"CA[0-9a-f]{32}")
"""Twilio's form. A CallSid becomes a file's name, so nothing else may pass."""


@dataclass(frozen=True)
class Chosen:
    """Whom a call is for that no carrier brings: a browser's."""

    agent: Agent
    agents: Agents
    """With those that it may hand the call over to."""


class Reception:
    """One for the server."""

    def __init__(
        self,
        terms: Terms,
        agents: AgentSource,
        lobby: Lobby,
        stream_tokens: StreamTokens,
        metrics: Metrics,
        *,
        colleagues: Colleagues | None = None,
        now: Callable[[], datetime] = utc_now,
        greetings: KeptGreetings | None = None,
        resumed: Resumption | None = None,
        capacity: Capacity | None = None,
        continuing: Continuing | None = None,
        missed: MissedCalls | None = None,
        seat: Seat | None = None,
    ) -> None:
        """`colleagues`: `None` where none can be called. `now` tells agents the time, and who is open.

        `greetings`: `None` where none are kept. `resumed`: what every call that comes in goes on from, which is for
        calls that are held once more; `None`: it begins. `capacity`: `None` where nobody is turned away. `continuing`:
        `None` where a call ends with its stream. `missed`: takes the calls that are not taken; `None`: nobody does.

        `seat`: among the workers of this machine; `None`: there is no other.
        """
        self.capacity = capacity
        self.colleagues = colleagues
        self.terms = terms
        self.metrics = metrics
        self.refusals = Refusals(metrics)
        self.courses = Courses()
        self.lobby = lobby
        self.closing = False
        """Set when the server stops: no further call is taken."""
        self.succeeded = False
        """Set when somebody else takes its place at once: a further call is to come again, and not turned away."""
        self.last: Literal["", "ends", "hands over"] = ""
        """What becomes of the calls that are left, once the server has waited for them long enough."""
        self._agents = agents
        self._stream_tokens = stream_tokens
        self._now = now
        self._greetings = greetings
        self._resumed = resumed
        self._continuing = continuing
        self._missed = missed
        self.seat = seat

    def refuse(self, refusal: Refusal, detail: str, call_sid: str = "") -> None:
        """Count and log what is refused."""
        self.refusals.tell(refusal, detail, call_sid)

    async def receive(self, fields: Mapping[str, str], query: str = "", chosen: Chosen | None = None) -> str:
        """Take a call: TwiML that streams it to us, or a polite refusal.

        Who is calling is found out before, where an agent asks for that. `query`: of the webhook's address; in calls
        that we placed it tells whom they are for. `chosen`: the agent, whatever number was called at whatever hour; the
        carrier is none then that could be asked.
        """
        called, call_sid = fields.get("To", ""), fields.get("CallSid", "")
        if self.closing and not self.lobby.knows(call_sid):
            return send_on(f"{self.terms.public_url}{VOICE_PATH}{f'?{query}' if query else ''}")
        self._complain(webhook_error(fields), call_sid)
        if chosen is None:
            agents = self._current()
            first = agents.for_number(called)
            agent = None if first is None else agents.on_duty(first, self._now())
        else:
            agent = chosen.agent
        # Who is called is known to whoever places the call.
        outbound = fields.get("Direction", "") == OUTBOUND
        if agent is None or agent.lookup is None or self.closing or outbound or self._is_full:
            return await self._take(fields, query, None, chosen)
        values = {**agent.variables, "caller": fields.get("From", ""), "called": called}
        found = await look_up(agent.lookup, values, self._agents.references, call_sid)
        return await self._take(fields, query, found, chosen)

    def _current(self) -> Agents:
        agents, problem = self._agents.current()
        if problem:
            logger.error("%s", problem)
        return agents

    async def _take(self, fields: Mapping[str, str], query: str, found: Found | None, chosen: Chosen | None) -> str:
        answer, setup = self._decide(fields, query, found, chosen)
        if isinstance(setup, PastCall) and self._missed is not None:
            await self._missed.take(setup)
        if not isinstance(setup, CallSetup):
            return answer
        # It counts from now on, though others are decided about meanwhile.
        self.lobby.announce(setup, fields)
        self._have(setup.call_sid)
        if self.seat is not None:
            self.seat.decided(setup.call_sid)
        if self._continuing is not None and not await self._continuing.expect(setup, fields):
            self.lobby.retract(setup.call_sid)
            self.refuse(Refusal.WEBHOOK_REPLAYED, "the call has had its stream, here or elsewhere", setup.call_sid)
            return twiml.hang_up()
        self.lobby.expect(setup, fields)
        return answer

    def turns_away(self, fields: Mapping[str, str]) -> bool:
        """Tell whether a call is for somebody else, because the server stops: one that it does not have."""
        call_sid = fields.get("CallSid", "")
        if not self.closing or self.succeeded or self.lobby.knows(call_sid):
            return False
        self.refuse(Refusal.STOPPING, "the server stops", call_sid)
        return True

    def _decide(
        self, fields: Mapping[str, str], query: str, found: Found | None, chosen: Chosen | None
    ) -> tuple[str, CallSetup | PastCall | None]:
        """Give the answer, and the call: one that is to be expected, or that is over with it; `None`: it is none."""
        call_sid, outbound = fields.get("CallSid", ""), fields.get("Direction", "") == OUTBOUND
        caller, called = (fields.get("To" if outbound else "From", ""), fields.get("From" if outbound else "To", ""))
        self.metrics.add("webhooks")
        if not CALL_SID.fullmatch(call_sid):
            self.refuse(Refusal.CALL_UNKNOWN, "the webhook names no CallSid of Twilio's form")
            return twiml.hang_up(CANNOT_ANSWER), None
        if self._stream_tokens.used(call_sid):
            # Twilio asks once more only if it has not heard our answer, and then no stream has come.
            self.refuse(Refusal.WEBHOOK_REPLAYED, "the call has had its stream", call_sid)
            return twiml.hang_up(), None
        agents = self._current() if chosen is None else chosen.agents
        wanted = dialled(query) if outbound else None
        if chosen is not None:
            agent: Agent | None = chosen.agent
        else:
            agent = agents.for_number(called) if wanted is None else agents.named(wanted.agent)

        def missed(outcome: NotTaken, why: str, by: str) -> PastCall:
            return call_not_taken(call_sid, outcome, why, utc_now(), agent=by, caller=caller, called=called)

        if agent is None:
            nobody = f"no agent has the number {called}, and none is the default one"
            self._cannot(nobody if wanted is None else f'there is no agent "{wanted.agent[:64]}"', call_sid)
            return twiml.hang_up(NOBODY_HERE), missed("unanswered", "there is no agent for it", "")
        now = self._now()
        # Whoever places a call has chosen the hour.
        on_duty = agent if outbound or chosen is not None else agents.on_duty(agent, now)
        try:
            taker = self._taker(agents, on_duty or agent, found or Found(), call_sid)
            known = ({} if found is None else found.variables) | values_given(wanted, taker)

            def filled(one: Agent) -> Agent:
                own = {name: value for name, value in known.items() if name in one.variables}
                return render(one, caller, called, now, own)

            agent, others = filled(taker), tuple(map(filled, agents.reachable(taker)))
            if on_duty is None and agent.hours is not None:
                self.metrics.add("closed")
                logger.info("closed: agent %s is not open now", agent.name, extra={"call": call_sid})
                closed = twiml.hang_up(agent.hours.message or CANNOT_ANSWER, agent.language)
                return closed, missed("closed", "outside the agent's hours", agent.name)
            if (full := self._full(call_sid, caller, called, agent, outbound=outbound)) is not None:
                heard, why = full
                return heard, missed("refused", why, agent.name)
            answer = self._connect(call_sid, agent)
        except (ConfigError, ValueError) as error:
            self._cannot(str(error), call_sid)
            # The error may quote the caller.
            return twiml.hang_up(CANNOT_ANSWER), missed("unanswered", "a fault in its agent, see the log", agent.name)
        models = self.terms.models
        setup = CallSetup(
            call_sid=call_sid,
            agent=agent,
            caller=caller,
            called=called,
            outbound=outbound,
            model=models[0],
            fallbacks=models[1:],
            preconnect=self.terms.preconnect,
            rest=self.terms.rest and chosen is None,
            others=others,
            kept_greeting=None if outbound else self._kept_greeting(taker, agent, known),
        )
        return answer, setup if self._resumed is None else setup.going_on(self._resumed)

    @property
    def _is_full(self) -> bool:
        return self.capacity is not None and self.capacity.full() is not None

    def _full(self, call_sid: str, caller: str, called: str, agent: Agent, *, outbound: bool) -> tuple[str, str] | None:
        """Say what a caller hears whose call cannot be taken now, and why; `None`: it can.

        Whom we called is never sent away.
        """
        if self.capacity is None or self.lobby.knows(call_sid):
            return None
        if outbound:
            self.capacity.arrived(call_sid)
            return None
        refusal = self.capacity.refusal(caller, called)
        if refusal is None:
            return None
        self.refuse(refusal, f"a call from {caller[:MAX_CALLER_CHARACTERS]}", call_sid)
        if refusal is Refusal.CALLER_CALLS_TOO_OFTEN:
            return twiml.busy(), f"{refusal}; heard a busy line"
        # To a caller it is all the same why no model can be had.
        heard = last_resort(
            agent,
            usual=CANNOT_ANSWER if refusal is Refusal.DAY_IS_SPENT else ALL_BUSY,
            after_dial=f"{self.terms.public_url}{AFTER_DIAL_PATH}",
            after_record=f"{self.terms.public_url}{AFTER_STREAM_PATH}",
        )
        return heard, f"{refusal}{way_out(agent)}"

    def _kept_greeting(self, written: Agent, agent: Agent, known: Mapping[str, str]) -> bytes | None:
        """Give a greeting that was said before: one that is the same for all, and that any voice may interrupt.

        `written`: the agent as it stands in its file. `known`: what is true of this call only.
        """
        if self._greetings is None or written.greeting is None or agent.barge_in != BargeIn():
            return None
        alike = variables_in(written.greeting) <= written.variables.keys() - known.keys()
        return self._greetings.find(agent, self.terms.model) if alike else None

    def _taker(self, agents: Agents, agent: Agent, found: Found, call_sid: str) -> Agent:
        """Say who takes a call whose caller was looked up."""
        other = agents.named(found.agent) if found.agent else None
        if found.agent and other is None:
            logger.warning(
                'the look-up names an agent "%s" that is not here; %s takes the call', found.agent[:64], agent.name,
                extra={"call": call_sid},
            )  # fmt: skip
        return other or agent

    def _connect(self, call_sid: str, agent: Agent, again: str = "", press: str = "", *, begun: bool = True) -> str:
        """Stream a call to us. `again`: why, in an id, if a stream was ordered before. `press`: keys, before it.

        `begun`: something was said in a stream before.
        """
        consent = None if again and begun else agent.consent
        token = self._stream_tokens.issue(call_sid, wall_seconds(), secrets.token_bytes(NONCE_BYTES), again)
        return twiml.connect_stream(
            self.terms.stream_url(call_sid),
            {TOKEN_PARAMETER: token},
            f"{self.terms.public_url}{AFTER_STREAM_PATH}",
            say=consent,
            language=agent.language if consent else None,
            press=press,
            status_callback=f"{self.terms.public_url}{STATUS_PATH}",
        )

    def _cannot(self, why: str, call_sid: str) -> None:
        self.metrics.add("unanswered")
        logger.error("a call is not answered: %s", why, extra={"call": call_sid})

    async def let_in(self, start: Start) -> Session | Refusal:
        """Let a stream in whose `start` has come, also one that another server has ordered: its session, or why not.

        Nothing has been paid for it so far.
        """
        call_sid = start.start.call_sid
        refusal = examine_start(self._stream_tokens, start, wall_seconds())
        if refusal is None and self._continuing is not None:
            if self.lobby.webhook(call_sid) is None and call_sid not in self.lobby.sessions:
                known = await self._continuing.find(call_sid)
                if known is not None and known.state == "expected":
                    self.lobby.expect(self._here(self._continuing.adopt(known)), known.checkpoint.webhook)
            if not await self._continuing.admit(call_sid, start.start.stream_sid):
                refusal = Refusal.TOKEN_USED
        if refusal is None:
            self._have(call_sid)
        return self._join(start, refusal)

    def _join(self, start: Start, refusal: Refusal | None) -> Session | Refusal:
        call_sid = start.start.call_sid
        webhook = self.lobby.webhook(call_sid)
        if refusal is None and (webhook is None or webhook.get("AccountSid", "") != start.start.account_sid):
            refusal = Refusal.CALL_UNKNOWN
        session = self.lobby.join(call_sid) if refusal is None else None
        if session is None:
            refusal = refusal or Refusal.CALL_UNKNOWN
            self.refuse(refusal, "a stream was turned away at its start", call_sid)
            return refusal
        return session

    async def after_stream(self, fields: Mapping[str, str]) -> str:
        """Say what becomes of a call whose stream has ended."""
        call_sid = fields.get("CallSid", "")
        if "RecordingSid" in fields:
            self.metrics.add("messages_left")
            told = message_left(fields)
            logger.warning("%s", told, extra={"call": call_sid})
            if self._continuing is not None:
                await self._continuing.remark(call_sid, MESSAGE_LEFT, told)
            return twiml.hang_up(THANKS)
        known = await self.lobby.outcome_after_stream(call_sid, OUTCOME_SECONDS)
        ended = known.ended if known else None
        if self._continuing is not None and (ended is None or ended.outcome in LOST):
            stored = await self._continuing.ended(call_sid)
            if stored is not None and stored.state != "over" and (again := await self._go_on(stored, fields)):
                return again
            known = known or self._outcome_elsewhere(stored)
            ended = known.ended if known else None
        logger.info("after the stream: %s", ended.outcome if ended else "unknown", extra={"call": call_sid})
        destination = None if ended is None else ended.destination
        after_dial = f"{self.terms.public_url}{AFTER_DIAL_PATH}"
        if known is not None and ended is not None and ended.outcome == "model_failed":
            usual = last_line(ended, can_apologise=self.terms.can_apologise)
            again = f"{self.terms.public_url}{AFTER_STREAM_PATH}"
            return last_resort(known.agent, usual=usual, after_dial=after_dial, after_record=again)
        if destination is not None and destination.conference and self.colleagues is not None:
            self.colleagues.join(destination.conference, call_sid, after_dial)
            return self.colleagues.meeting(destination.conference, after_dial)
        if destination is not None:
            return dial(destination, after_dial)
        keys = None if ended is None else ended.keys
        if known is not None and known.resumption is not None and keys is not None:
            if not self.last:
                return await self._press(known.setup, known.resumption, keys, fields)
            if self.last == "hands over":
                return self._ask_another(fields)
        return twiml.hang_up(last_line(ended, can_apologise=self.terms.can_apologise))

    async def _press(self, setup: CallSetup, resumption: Resumption, keys: str, fields: Mapping[str, str]) -> str:
        """Have the carrier press keys, and then stream the call to us again."""
        # A session that waits for its stream for too long is given up.
        preconnect = self.terms.preconnect and len(tones(keys)) <= PRESSED_BEFORE_MS * BYTES_PER_MS
        setup = msgspec.structs.replace(setup.going_on(resumption), preconnect=preconnect)
        # https://www.twilio.com/docs/voice/twiml/play#attributes-digits names `w` alone.
        answer = self._connect(setup.call_sid, setup.agent, f"keys-{resumption.pressed}", keys.replace("W", "ww"))
        await self._expect_again(setup, fields)
        return answer

    async def _go_on(self, stored: Stored, fields: Mapping[str, str]) -> str | None:
        """Take up a call whose stream, or whose server, has died; `None`: it ends."""
        assert self._continuing is not None, "whoever asks has looked"
        if fields.get("CallStatus") in ENDED_STATUSES:
            return None
        if self.last:
            return self._ask_another(fields) if self.last == "hands over" else None
        setup = await self._continuing.take_up(stored, fields.get("StreamSid", ""))
        if setup is None:
            return None
        self._have(setup.call_sid)
        setup = self._here(setup)
        await self.lobby.dismiss(setup.call_sid, OUTCOME_SECONDS)
        self.lobby.expect(setup, fields)
        begun = setup.resumed is not None
        return self._connect(setup.call_sid, setup.agent, f"lost-{stored.number + 1}", begun=begun)

    def _ask_another(self, fields: Mapping[str, str]) -> str:
        return send_on_at_once(f"{self.terms.public_url}{AFTER_STREAM_PATH}", fields)

    def _here(self, setup: CallSetup) -> CallSetup:
        """Give a call that another server had our own surroundings."""
        terms = self.terms
        models, rest = terms.models, terms.rest and setup.rest
        return msgspec.structs.replace(
            setup, model=models[0], fallbacks=models[1:], preconnect=terms.preconnect, rest=rest
        )

    async def answer_colleague(self, link_id: str, fields: Mapping[str, str]) -> str:
        """A colleague has answered: ask them, or end the call if nobody waits for it any more.

        Their call is in no checkpoint: when its server dies it ends, for who asks has died with it, or asks anew.
        """
        call_sid = fields.get("CallSid", "")
        self.metrics.add("webhooks")
        if self.colleagues is None or self.closing or not CALL_SID.fullmatch(call_sid):
            return twiml.hang_up()
        setup = await self.colleagues.answered(link_id, call_sid)
        if setup is None:
            return twiml.hang_up()
        self._have(call_sid)
        answer = self._connect(call_sid, setup.agent)
        self.lobby.expect(setup, fields)
        return answer

    async def colleague_status(self, link_id: str, fields: Mapping[str, str]) -> None:
        """Take a status callback of a colleague's call."""
        if self.colleagues is not None:
            await self.colleagues.progress(link_id, fields)
        await self.over(fields)

    async def after_dial(self, fields: Mapping[str, str]) -> str:
        """Say what becomes of a caller whose transfer is over: if it came to nothing, they are back with the agent."""
        call_sid, status = fields.get("CallSid", ""), fields.get("DialCallStatus", "")
        if status in CONNECTED or fields.get("CallStatus") in ENDED_STATUSES:
            logger.info("after the transfer: %s", status or "the caller is gone", extra={"call": call_sid})
            return twiml.hang_up()
        if self.last:
            # What became of the transfer is told once only, so the next one is told by us.
            told = urlencode({name: fields[name] for name in CARRIED if name in fields})
            hands_over = self.last == "hands over"
            address = f"{self.terms.public_url}{AFTER_DIAL_PATH}?{told}"
            return send_on(address) if hands_over else twiml.hang_up(STOPPED)
        known = await self.lobby.outcome(call_sid, OUTCOME_SECONDS)
        if known is None and self._continuing is not None:
            known = self._outcome_elsewhere(await self._continuing.ended(call_sid))
        destination = None if known is None or known.ended is None else known.ended.destination
        if known is None or destination is None or known.resumption is None:
            self._cannot(f"a transfer ended ({status}), and nothing is known of its call any more", call_sid)
            return twiml.hang_up(NOT_CONNECTED)
        reply = fields.get("DialSipResponseCode", "")
        logger.warning(
            "the transfer to %s came to nothing: %s%s",
            destination.name, status, f" (SIP {reply})" if reply else "", extra={"call": call_sid},
        )  # fmt: skip
        self.metrics.add("transfers_failed", status=status)
        resumed = msgspec.structs.replace(known.resumption, reason=came_back(destination, fields))
        setup = msgspec.structs.replace(known.setup.going_on(resumed), preconnect=self.terms.preconnect)
        occasion = fields.get("DialCallSid", "").replace(".", "") or secrets.token_hex(8)
        if self._stream_tokens.used(call_sid, occasion):
            self.refuse(Refusal.WEBHOOK_REPLAYED, "the call has had its stream after this transfer", call_sid)
            return twiml.hang_up()
        answer = self._connect(call_sid, setup.agent, occasion)
        await self._expect_again(setup, fields)
        if self._continuing is not None:
            await self._continuing.remark(call_sid, "transfer failed", f"{destination.name}, {why(fields)}")
        return answer

    def _have(self, call_sid: str) -> None:
        """Let the other workers know that a call is here, whoever of them was told of it last."""
        if self.seat is not None:
            self.seat.enter(call_sid)

    async def _expect_again(self, setup: CallSetup, fields: Mapping[str, str]) -> None:
        self._have(setup.call_sid)
        if self._continuing is not None:
            await self._continuing.expect_again(setup, fields)
        self.lobby.expect(setup, fields)

    def _outcome_elsewhere(self, stored: Stored | None) -> EndedCall | None:
        """Tell how a call ended that another server had."""
        if stored is None or stored.state != "over":
            return None
        return EndedCall(stored.checkpoint.ended, self._here(stored.checkpoint.setup), stored.checkpoint.resumption)

    async def over(self, fields: Mapping[str, str]) -> None:
        """Take a status callback of a call, and forget one that is over; or that of a stream."""
        self._complain(stream_error(fields), fields.get("CallSid", ""))
        self.status(fields)
        if self._continuing is not None and fields.get("CallStatus", "") in ENDED_STATUSES:
            await self._continuing.over(fields.get("CallSid", ""))

    def _complain(self, problem: str, call_sid: str) -> None:
        """Pass on what the carrier complains about."""
        if problem:
            self.metrics.add("carrier_errors")
            logger.error("%s", problem, extra={"call": call_sid})

    def status(self, fields: Mapping[str, str]) -> None:
        """Take a status callback: a call that the carrier has ended is over here too."""
        status, call_sid = fields.get("CallStatus", ""), fields.get("CallSid", "")
        if status in ENDED_STATUSES and self.capacity is not None:
            self.capacity.arrived(call_sid)
        if status in ENDED_STATUSES and not self.lobby.end(call_sid, f"the carrier says {status}"):
            # A call of ours that nobody took, or one that another server has.
            logger.info("the carrier says %s of a call that was never here", status, extra={"call": call_sid})

    def detected(self, fields: Mapping[str, str]) -> None:
        """Take what the detection of answering machines says, late or twice as it may come."""
        call_sid, answered_by = fields.get("CallSid", ""), fields.get("AnsweredBy", "")
        extra = {"call": call_sid}
        try:
            verdict = msgspec.convert(answered_by, AnsweredBy)
        except msgspec.ValidationError:
            logger.warning("the detection of machines says what nobody knows: %r", answered_by[:40], extra=extra)
            return
        if not self.lobby.tell(call_sid, MachineVerdict(verdict)):
            logger.info("the detection says %s of a call that is not here, or over", verdict, extra=extra)

    async def calls_in_store(self) -> int | None:
        """Tell how many calls all servers of the store have; `None`: it cannot be asked, or there is none."""
        return None if self._continuing is None else await self._continuing.calls()
