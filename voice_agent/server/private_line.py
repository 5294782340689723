"""A server that nobody but this process can call: an emulated Twilio before it, both on free loopback ports.

For whoever holds calls by himself: the demo, scenarios, recorded callers. It must not know what is said.
"""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import msgspec

from voice_agent.call.conversation import Resumption
from voice_agent.config.agent_keys import Missed
from voice_agent.config.agents import AgentSource
from voice_agent.config.scenario_keys import Given
from voice_agent.config.secret import Secret
from voice_agent.config.settings import Settings
from voice_agent.emulator.twilio import Callee, EmulatedCall, EmulatedTwilio
from voice_agent.live.clock import utc_now
from voice_agent.live.opened_call import CallObserver, Keep
from voice_agent.server.run import Serving
from voice_agent.twilio_api.calls import CallsApi
from voice_agent.twilio_api.dialler import Dialler
from voice_agent.twilio_api.dialling import Wish, plan
from voice_agent.twilio_api.rest import open_rest

RINGS_MS = 1500
"""So long the phone of anybody rings who is called from here."""


LONGEST_QUESTION_S = 30.0


def _missed(why: Missed) -> Callee:
    if why == "declines":
        return Callee(rings_ms=RINGS_MS, acts=_decline)
    return Callee(becomes=why, rings_ms=RINGS_MS)


async def _decline(call: EmulatedCall) -> None:
    """Hear what is asked, and press the key that declines."""
    if await call.agent_began(LONGEST_QUESTION_S) and await call.agent_silent(1000, LONGEST_QUESTION_S):
        call.press("2")
    await call.ended()


class PrivateLine:
    """Given by `private_line`."""

    def __init__(
        self, twilio: EmulatedTwilio, serving: Serving, agents: AgentSource, callees: dict[str, Callee]
    ) -> None:
        """`callees`: who is at which number; whoever is called is put into it."""
        self._twilio = twilio
        self._serving = serving
        self._agents = agents
        self._callees = callees

    @property
    def url(self) -> str:
        """Where the server listens."""
        return self._serving.url

    @property
    def rest_url(self) -> str:
        """Where the emulated Twilio's REST API is."""
        return self._twilio.base_url

    def ring(self, caller: str, called: str) -> EmulatedCall:
        """Call a number; the call lasts until somebody hangs up or the line's block is left."""
        self._twilio.buy(called)
        return self._twilio.place_call(
            f"{self.url}/twilio/voice", caller, called, status_callback=f"{self.url}/twilio/status"
        )

    async def dial(self, agent: str, number: str, from_: str, callee: Callee) -> EmulatedCall:
        """Let an agent call somebody, by the REST API, as `voice-agent dial` does."""
        self._twilio.buy(from_)
        self._callees[number] = callee
        settings = msgspec.structs.replace(self._serving.settings, dial_countries=("+",), twilio_phone_number=from_)
        wish = Wish(to=number, agent=agent)
        order = plan(wish, self._agents.latest(), settings, utc_now())
        api = open_rest(CallsApi, settings)
        assert api is not None, "the emulated account has credentials"
        try:
            sid = await Dialler(api, settings.dial_per_second).place(order)
        finally:
            api.close()
        return self._twilio.calls[sid]


@asynccontextmanager
async def private_line(
    settings: Settings,
    agents: AgentSource,
    *,
    emulator_url: str = "",
    observers: Sequence[CallObserver] = (),
    keep: Sequence[Keep] = (),
    now: Callable[[], datetime] = utc_now,
    given: Given | None = None,
    resumed: Resumption | None = None,
) -> AsyncIterator[PrivateLine]:
    """Open a line. Of `settings` the model, its audio and `data` count; Twilio's account and the address are its own.

    `resumed`: what a call to the agent goes on from. Recordings are whole when the block has been left; they are not
    redacted. Raises what `Serving` raises.
    """
    account_sid, token = "AC" + secrets.token_hex(16), secrets.token_hex(16)
    missed = given.callees.items() if given else ()
    callees = {address: _missed(why) for address, why in missed}
    anybody = Callee(rings_ms=RINGS_MS)

    async with EmulatedTwilio(account_sid, token, callees=lambda number: callees.get(number, anybody)) as twilio:
        for agent in agents.latest().all:
            for number in (*agent.numbers, *(tool.sms.sender for tool in agent.tools if tool.sms is not None)):
                twilio.buy(number)
        own = msgspec.structs.replace(
            settings,
            public_url="http://127.0.0.1",
            host="127.0.0.1",
            port=0,
            twilio_account_sid=account_sid,
            twilio_auth_token=Secret(token),
            twilio_auth_token_secondary=None,
            twilio_api_key=None,
            twilio_api_secret=None,
            twilio_api_base_url=twilio.base_url,
            redact=False,
        )
        serving = Serving(
            own,
            agents,
            emulator_url=emulator_url,
            observers=observers,
            keep=keep,
            now=now,
            given=given.tools if given else None,
            resumed=resumed,
        )
        async with serving:
            yield PrivateLine(twilio, serving, agents, callees)
