"""The secrets of an agent's MCP servers, at the edge where a session's texts leave the program and come in.

Everything behind it (the core, recordings, logs) knows references only: they are filled into the tools of a
`session.update` as it is sent, and a peer that repeats a value is heard as if it had repeated the reference. It must
not know what else a text means.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from voice_agent.agent import Agent
from voice_agent.config.references import References, names_in

_UPDATE = '{"type":"session.update"'
"""How our own codec begins such a text."""


class McpSecrets:
    """Those of one call's agents."""

    def __init__(self, agent: Agent, references: References, others: Iterable[Agent] = ()) -> None:
        """`references`: all that are known; those are used that the agents name. `others`: who may take over."""
        servers = (server for each in (agent, *others) for server in each.mcp)
        self._references = references.only(names_in(text for server in servers for text in server.referring))

    def outgoing(self, text: str) -> str:
        """Fill a text for the model's server."""
        if self._references.is_empty or not text.startswith(_UPDATE):
            return text
        message = msgspec.json.decode(text)
        message["session"] = self.session(message["session"])
        return msgspec.json.encode(message).decode()

    def session(self, session: dict[str, Any]) -> dict[str, Any]:
        """Fill a session as it is sent by HTTP."""
        if "tools" not in session:
            return session
        return session | {"tools": [self._filled(tool) if tool["type"] == "mcp" else tool for tool in session["tools"]]}

    def incoming(self, text: str) -> str:
        """Cover what a text of the model's server repeats."""
        return text if self._references.is_empty else self._references.covered(text)

    def _filled(self, tool: dict[str, Any]) -> dict[str, Any]:
        fill = self._references.filled
        filled: dict[str, Any] = {name: fill(tool[name]) for name in ("server_url", "authorization") if name in tool}
        if "headers" in tool:
            filled["headers"] = {name: fill(value) for name, value in tool["headers"].items()}
        return tool | filled

    def __repr__(self) -> str:
        return f"<McpSecrets {self._references}>"
