"""The streams that are ordered for calls, and which of those that come are let in.

A call may have several, one after another: the first is ordered when it comes, further ones when it comes back from
elsewhere, or has lost one. Each order carries a token that admits one stream. It must not know HTTP, nor why a call
gets another stream.
"""

import secrets
from collections.abc import Mapping

from voice_agent.agent import Agent
from voice_agent.call.setup import CallSetup
from voice_agent.live.admission import NONCE_BYTES, TOKEN_PARAMETER, Refusal, StreamTokens, examine_start
from voice_agent.live.clock import wall_seconds
from voice_agent.live.lobby import Lobby
from voice_agent.live.session import Session
from voice_agent.live.switchboard import Seat
from voice_agent.server.continuing import Continuing
from voice_agent.server.refusals import Refusals
from voice_agent.server.terms import Terms
from voice_agent.wire import twiml
from voice_agent.wire.twilio import Start

DISMISSED_SECONDS = 2.0
"""How long a session whose stream did not come here may take to end."""


class OrderedStreams:
    """One for the server."""

    def __init__(
        self,
        terms: Terms,
        lobby: Lobby,
        tokens: StreamTokens,
        refusals: Refusals,
        *,
        continuing: Continuing | None = None,
        seat: Seat | None = None,
    ) -> None:
        """`continuing`: `None` where a call ends with its stream. `seat`: `None` where there is no other worker."""
        self._terms = terms
        self._lobby = lobby
        self._tokens = tokens
        self._refusals = refusals
        self._continuing = continuing
        self._seat = seat

    # --- orders ------------------------------------------------------------------------------------------------------

    def order(self, call_sid: str, agent: Agent, again: str = "", press: str = "", *, begun: bool = True) -> str:
        """Give the TwiML that streams a call to us. Raises `ValueError` for what Twilio refuses.

        `again`: why, in an id, if a stream was ordered before. `press`: keys, before it. `begun`: something was said in
        a stream before.
        """
        consent = None if again and begun else agent.consent
        token = self._tokens.issue(call_sid, wall_seconds(), secrets.token_bytes(NONCE_BYTES), again)
        return twiml.connect_stream(
            self._terms.stream_url(call_sid),
            {TOKEN_PARAMETER: token},
            self._terms.after_stream_url,
            say=consent,
            language=agent.language if consent else None,
            press=press,
            status_callback=self._terms.status_url,
        )

    def had(self, call_sid: str, again: str = "") -> bool:
        """Tell whether a stream that was ordered so has come: then the order is a replay."""
        return self._tokens.used(call_sid, again)

    async def expect(self, setup: CallSetup, fields: Mapping[str, str]) -> bool:
        """Expect the first stream of a call; `False`: it has had one, here or elsewhere."""
        # It counts from now on, though others are decided about meanwhile.
        self._lobby.announce(setup, fields)
        self.have(setup.call_sid)
        if self._seat is not None:
            self._seat.decided(setup.call_sid)
        if self._continuing is not None and not await self._continuing.expect(setup, fields):
            self._lobby.retract(setup.call_sid)
            self._refusals.tell(
                Refusal.WEBHOOK_REPLAYED, "the call has had its stream, here or elsewhere", setup.call_sid
            )
            return False
        self._lobby.expect(setup, fields)
        return True

    async def expect_again(self, setup: CallSetup, fields: Mapping[str, str]) -> None:
        """Expect another stream of a call, after one that ended on purpose."""
        self.have(setup.call_sid)
        if self._continuing is not None:
            await self._continuing.expect_again(setup, fields)
        waiting = self._lobby.sessions.get(setup.call_sid)
        if waiting is not None and not waiting.joined:
            # It waits for the stream before, which went to another server.
            await self._lobby.dismiss(setup.call_sid, DISMISSED_SECONDS)
        self._lobby.expect(setup, fields)

    def have(self, call_sid: str) -> None:
        """Let the other workers know that a call is here, whoever of them was told of it last."""
        if self._seat is not None:
            self._seat.enter(call_sid)

    # --- streams -----------------------------------------------------------------------------------------------------

    async def let_in(self, start: Start) -> Session | Refusal:
        """Let a stream in whose `start` has come, also one that another server has ordered: its session, or why not.

        Nothing has been paid for it so far.
        """
        call_sid = start.start.call_sid
        refusal = examine_start(self._tokens, start, wall_seconds())
        if refusal is None and self._continuing is not None:
            known = None if self._lobby.knows(call_sid) else await self._continuing.find(call_sid)
            if known is not None and known.state != "expected":
                known = None
            setup = None if known is None else self._continuing.adopt(known)
            if not await self._continuing.admit(call_sid, start.start.stream_sid):
                refusal = Refusal.TOKEN_USED
            elif known is not None and setup is not None:
                self._lobby.expect(self._terms.here(setup), known.checkpoint.webhook)
        if refusal is None:
            self.have(call_sid)
        return self._join(start, refusal)

    def _join(self, start: Start, refusal: Refusal | None) -> Session | Refusal:
        call_sid = start.start.call_sid
        webhook = self._lobby.webhook(call_sid)
        if refusal is None and (webhook is None or webhook.get("AccountSid", "") != start.start.account_sid):
            refusal = Refusal.CALL_UNKNOWN
        session = self._lobby.join(call_sid, start.start.stream_sid) if refusal is None else None
        if session is None:
            refusal = refusal or Refusal.CALL_UNKNOWN
            self._refusals.tell(refusal, "a stream was turned away at its start", call_sid)
            return refusal
        return session
