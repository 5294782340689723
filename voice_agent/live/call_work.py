"""The slow work of one call against the real world: the Realtime endpoint, the agent's tools, Twilio's REST API.

Fits `session.Work`. It must not know why something is done.
"""

from collections.abc import Sequence
from functools import partial
from typing import Protocol

from voice_agent.call.commands import CallColleague, KeepDigits, RunTool
from voice_agent.call.events import ColleagueAnswered, HangUpFinished, ToolFinished
from voice_agent.call.setup import CallSetup, ModelSetup
from voice_agent.live.endpoint_health import EndpointHealth
from voice_agent.live.endpoints import Reachable
from voice_agent.live.mcp_secrets import McpSecrets
from voice_agent.live.model_leg import ModelLeg
from voice_agent.tools.run import ToolRunner


class CarrierApi(Protocol):
    """What is needed of `twilio_api.calls.CallsApi`."""

    async def hang_up(self, call_sid: str) -> str:
        """End a call; "" or what went wrong."""
        ...

    async def is_in_progress(self, call_sid: str) -> bool | None:
        """Tell whether the carrier still has a call; `None`: unknown."""
        ...


class Colleagues(Protocol):
    """What is needed of `server.colleagues`: other people's phones, and what they say."""

    async def call(self, setup: CallSetup, order: CallColleague) -> ColleagueAnswered:
        """Call somebody for the caller of `setup`, and ask them; nothing is raised but a cancellation."""
        ...

    async def settle(self, call_sid: str, accepted: bool) -> None:
        """Take what the colleague of this call has decided."""
        ...


class CallWork:
    """One call's."""

    def __init__(
        self,
        call_sid: str,
        endpoints: Sequence[Reachable],
        tools: ToolRunner,
        api: CarrierApi | None,
        *,
        secrets: McpSecrets | None = None,
        setup: CallSetup | None = None,
        colleagues: Colleagues | None = None,
        health: EndpointHealth | None = None,
    ) -> None:
        """`endpoints`: in the order of the call. `api`: `None` without credentials of the carrier.

        `secrets`: of the agent's MCP servers. `setup`: the call's, for `colleagues`; `None`: nobody else can be called.
        """
        self._setup = setup
        self._colleagues = colleagues
        self._call_sid = call_sid
        self._endpoints = endpoints
        self._asked: int | None = None
        """Which of them was asked last."""
        self._health = health or EndpointHealth()
        self._tools = tools
        self._api = api
        self._secrets = secrets

    @property
    def served_by(self) -> ModelSetup:
        """The endpoint that was asked last: the one that serves the call, while anybody does."""
        return self._endpoints[self._asked or 0].setup

    def model_leg(self, endpoint: int) -> ModelLeg:
        """Make a leg to one of the endpoints; whoever goes from one to another has given that up."""
        if self._asked is not None and self._asked != endpoint:
            self._health.gave_none(self._endpoints[self._asked].setup.name)
        self._asked = endpoint
        there = self._endpoints[endpoint]
        opened = partial(self._health.opened, there.setup.name)
        return ModelLeg(there.endpoint, there.credential, secrets=self._secrets, opened=opened)

    async def run_tool(self, order: RunTool) -> ToolFinished:
        """Run one tool of the agent."""
        return await self._tools.run(order.call_id, order.name, order.arguments, order.agent)

    def keep_digits(self, order: KeepDigits) -> None:
        """Hold them where the call's tools run."""
        self._tools.keep_digits(order.name, order.digits)

    async def hang_up(self) -> HangUpFinished:
        """End the call by REST."""
        if self._api is None:
            return HangUpFinished("there are no REST credentials")
        return HangUpFinished(await self._api.hang_up(self._call_sid))

    async def call_colleague(self, order: CallColleague) -> ColleagueAnswered:
        """Call somebody who shall take the caller over, and ask them."""
        if self._colleagues is None or self._setup is None:
            return ColleagueAnswered(order.call_id, problem="nobody can be called now")
        return await self._colleagues.call(self._setup, order)

    async def settle_transfer(self, accepted: bool) -> None:
        """Tell what the colleague says, who is spoken to in this call."""
        if self._colleagues is not None:
            await self._colleagues.settle(self._call_sid, accepted)

    async def is_in_progress(self) -> bool | None:
        """Ask the carrier."""
        return None if self._api is None else await self._api.is_in_progress(self._call_sid)
