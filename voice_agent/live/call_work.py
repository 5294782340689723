"""The slow work of one call against the real world: the Realtime endpoint, the agent's tools, Twilio's REST API.

Fits `session.Work`. It must not know why something is done.
"""

from typing import Protocol

from voice_agent.call.commands import KeepDigits, RunTool
from voice_agent.call.events import HangUpFinished, ToolFinished
from voice_agent.live.credentials import Credential
from voice_agent.live.mcp_secrets import McpSecrets
from voice_agent.live.model_leg import ModelLeg
from voice_agent.tools.run import ToolRunner
from voice_agent.wire.endpoint import Endpoint


class CarrierApi(Protocol):
    """What is needed of `twilio_api.calls.CallsApi`."""

    async def hang_up(self, call_sid: str) -> str:
        """End a call; "" or what went wrong."""
        ...

    async def is_in_progress(self, call_sid: str) -> bool | None:
        """Tell whether the carrier still has a call; `None`: unknown."""
        ...


class CallWork:
    """One call's."""

    def __init__(
        self,
        call_sid: str,
        endpoint: Endpoint,
        tools: ToolRunner,
        api: CarrierApi | None,
        *,
        credential: Credential | None = None,
        secrets: McpSecrets | None = None,
    ) -> None:
        """`api`: `None` without credentials of the carrier. `credential`: of the endpoint, beside its fixed headers.

        `secrets`: of the agent's MCP servers.
        """
        self._call_sid = call_sid
        self._endpoint = endpoint
        self._tools = tools
        self._api = api
        self._credential = credential
        self._secrets = secrets

    def model_leg(self) -> ModelLeg:
        """Make a leg to the endpoint."""
        return ModelLeg(self._endpoint, self._credential, secrets=self._secrets)

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

    async def is_in_progress(self) -> bool | None:
        """Ask the carrier."""
        return None if self._api is None else await self._api.is_in_progress(self._call_sid)
