"""How a call is met: which agent takes it, what a caller hears who cannot be served, and who comes in for a stream.

Requests come here after their signature was checked, as plain values; answers are TwiML. What follows a stream is
`afterwards`'. It must not know HTTP.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from voice_agent.agent import Agent, BargeIn
from voice_agent.call.conversation import Resumption
from voice_agent.call.setup import CallSetup
from voice_agent.config.agents import Agents, AgentSource
from voice_agent.config.callers import shown_caller
from voice_agent.config.render import MAX_CALLER_CHARACTERS, render, variables_in
from voice_agent.errors import ConfigError
from voice_agent.live.admission import Refusal, StreamTokens
from voice_agent.live.capacity import Capacity
from voice_agent.live.clock import utc_now
from voice_agent.live.kept_greetings import KeptGreetings
from voice_agent.live.lobby import Lobby
from voice_agent.live.metrics import Metrics
from voice_agent.live.switchboard import Seat
from voice_agent.server.afterwards import Afterwards
from voice_agent.server.carrier_errors import webhook_error
from voice_agent.server.carrier_reports import CarrierReports
from voice_agent.server.colleagues import Colleagues
from voice_agent.server.continuing import Continuing
from voice_agent.server.last_resort import ALL_BUSY, CANNOT_ANSWER, NOBODY_HERE, last_resort, way_out
from voice_agent.server.missed_calls import MissedCalls
from voice_agent.server.ordered_streams import OrderedStreams
from voice_agent.server.refusals import Refusals
from voice_agent.server.sending_on import send_on
from voice_agent.server.stopping import Stopping
from voice_agent.server.terms import VOICE_PATH, Terms
from voice_agent.store.history import NotTaken, PastCall, call_not_taken
from voice_agent.tools.lookup import Found, look_up
from voice_agent.twilio_api.dialling import dialled, values_given
from voice_agent.wire import twiml

logger = logging.getLogger(__name__)

OUTBOUND = "outbound-api"
"""The `Direction` of calls that the REST API has placed."""

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
        self.terms = terms
        self.lobby = lobby
        self.metrics = metrics
        self.capacity = capacity
        self.colleagues = colleagues
        self.seat = seat
        self.refusals = refusals = Refusals(metrics)
        self.stopping = stopping = Stopping()
        self.streams = OrderedStreams(terms, lobby, stream_tokens, refusals, continuing=continuing, seat=seat)
        self.afterwards = Afterwards(
            terms, lobby, self.streams, stopping,
            metrics=metrics, refusals=refusals, continuing=continuing, colleagues=colleagues,
        )  # fmt: skip
        self.reports = CarrierReports(lobby, metrics, capacity=capacity, continuing=continuing, colleagues=colleagues)
        self._agents = agents
        self._now = now
        self._greetings = greetings
        self._resumed = resumed
        self._continuing = continuing
        self._missed = missed

    async def receive(self, fields: Mapping[str, str], query: str = "", chosen: Chosen | None = None) -> str:
        """Take a call: TwiML that streams it to us, or a polite refusal.

        Who is calling is found out before, where an agent asks for that. `query`: of the webhook's address; in calls
        that we placed it tells whom they are for. `chosen`: the agent, whatever number was called at whatever hour; the
        carrier is none then that could be asked.
        """
        called, call_sid = fields.get("To", ""), fields.get("CallSid", "")
        if self._is_for_another(call_sid):
            return self._send_on(query)
        self.metrics.add("webhooks")
        self.reports.complaint(webhook_error(fields), call_sid)
        if (refused := self._refused(call_sid)) is not None:
            return refused
        if chosen is None:
            agents = self._current()
            first = agents.for_number(called)
            agent = None if first is None else agents.on_duty(first, self._now())
        else:
            agent = chosen.agent
        # Who is called is known to whoever places the call.
        outbound = fields.get("Direction", "") == OUTBOUND
        if agent is None or agent.lookup is None or self.stopping.closing or outbound or self._is_full:
            return await self._take(fields, query, None, chosen)
        values = {**agent.variables, "caller": shown_caller(fields.get("From", "")), "called": called}
        found = await look_up(agent.lookup, values, self._agents.references, call_sid)
        if self._is_for_another(call_sid):
            return self._send_on(query)
        return await self._take(fields, query, found, chosen)

    def _is_for_another(self, call_sid: str) -> bool:
        return self.stopping.closing and not self.lobby.knows(call_sid)

    def _send_on(self, query: str) -> str:
        return send_on(f"{self.terms.public_url}{VOICE_PATH}{f'?{query}' if query else ''}")

    def _refused(self, call_sid: str) -> str | None:
        """Say what hears who asks for a call that is none, or has had its stream; `None`: it is one."""
        if not CALL_SID.fullmatch(call_sid):
            self.refusals.tell(Refusal.CALL_UNKNOWN, "the webhook names no CallSid of Twilio's form")
            return twiml.hang_up(CANNOT_ANSWER)
        if self.streams.had(call_sid):
            # Twilio asks once more only if it has not heard our answer, and then no stream has come.
            self.refusals.tell(Refusal.WEBHOOK_REPLAYED, "the call has had its stream", call_sid)
            return twiml.hang_up()
        return None

    def agents_broken(self) -> bool:
        """Tell whether the agents' files are wrong now, so that a server would not start with them."""
        return self._agents.broken()

    def _current(self) -> Agents:
        agents, problem = self._agents.current()
        if problem:
            logger.error("%s", problem)
        return agents

    async def _take(self, fields: Mapping[str, str], query: str, found: Found | None, chosen: Chosen | None) -> str:
        answer, call = self._decide(fields, query, found, chosen)
        if isinstance(call, CallSetup):
            return answer if await self.streams.expect(call, fields) else twiml.hang_up()
        if self._missed is not None:
            await self._missed.take(call)
        return answer

    def turns_away(self, fields: Mapping[str, str]) -> bool:
        """Tell whether a call is for somebody else, because the server stops: one that it does not have."""
        call_sid = fields.get("CallSid", "")
        if self.stopping.succeeded or not self._is_for_another(call_sid):
            return False
        self.refusals.tell(Refusal.STOPPING, "the server stops", call_sid)
        return True

    def _decide(
        self, fields: Mapping[str, str], query: str, found: Found | None, chosen: Chosen | None
    ) -> tuple[str, CallSetup | PastCall]:
        """Give the answer, and the call: one that is to be expected, or that is over with it."""
        call_sid, outbound = fields.get("CallSid", ""), fields.get("Direction", "") == OUTBOUND
        caller, called = (fields.get("To" if outbound else "From", ""), fields.get("From" if outbound else "To", ""))
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
            self.refusals.not_answered(
                nobody if wanted is None else f'there is no agent "{wanted.agent[:64]}"', call_sid
            )
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
            answer = self.streams.order(call_sid, agent)
        except (ConfigError, ValueError) as error:
            self.refusals.not_answered(str(error), call_sid)
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
            given=tuple(sorted(known)),
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
        self.refusals.tell(refusal, f"a call from {caller[:MAX_CALLER_CHARACTERS]}", call_sid)
        if refusal is Refusal.CALLER_CALLS_TOO_OFTEN:
            return twiml.busy(), f"{refusal}; heard a busy line"
        # To a caller it is all the same why no model can be had.
        heard = last_resort(
            agent,
            usual=CANNOT_ANSWER if refusal is Refusal.DAY_IS_SPENT else ALL_BUSY,
            after_dial=self.terms.after_dial_url,
            after_record=self.terms.after_stream_url,
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

    async def answer_colleague(self, link_id: str, fields: Mapping[str, str]) -> str:
        """A colleague has answered: ask them, or end the call if nobody waits for it any more.

        Their call is in no checkpoint: when its server dies it ends, for who asks has died with it, or asks anew.
        """
        call_sid = fields.get("CallSid", "")
        self.metrics.add("webhooks")
        if self.colleagues is None or self.stopping.last or not CALL_SID.fullmatch(call_sid):
            return twiml.hang_up()
        setup = await self.colleagues.answered(link_id, call_sid)
        if setup is None:
            return twiml.hang_up()
        self.streams.have(call_sid)
        answer = self.streams.order(call_sid, setup.agent)
        self.lobby.expect(setup, fields)
        return answer

    async def calls_in_store(self) -> int | None:
        """Tell how many calls all servers of the store have; `None`: it cannot be asked, or there is none."""
        return None if self._continuing is None else await self._continuing.calls()
