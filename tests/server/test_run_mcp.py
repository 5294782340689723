"""An agent with an MCP server through a real socket: what the model's server gets, and what is left of it here."""

import asyncio
import logging
from pathlib import Path

import pytest

from tests.server.test_run import AGENT, a_server
from tests.support import tiny_twilio
from tests.support.stored import latest
from voice_agent.config.agents import Demands
from voice_agent.config.references import read_references
from voice_agent.recording import reader
from voice_agent.store.database import FILE_NAME

TOKEN, KEY = "token-0123456789", 'k/ey"-0123456789'
CALENDAR = """
tools:
  - mcp:
      server_label: calendar
      server_url: https://mcp.example.com/${MCP_KEY}
      authorization: ${MCP_TOKEN}
      headers:
        X-Api-Key: ${MCP_KEY}
"""


def test_secrets_reach_the_model_s_server_and_nothing_that_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    demands = Demands(references=read_references({"MCP_TOKEN": TOKEN, "MCP_KEY": KEY}))

    async def main() -> None:
        async with a_server(tmp_path, AGENT + CALENDAR, demands=demands) as call:
            stream = await call.stream()
            await stream.recv()
            await stream.send(tiny_twilio.stop())
            await stream.close()
            await call.after()
            await call.model.closed.wait()
            # This server repeats the whole session as it was given.
            (update,) = call.model.of_type("session.update")

        assert update["session"]["tools"] == [
            {
                "type": "mcp",
                "server_label": "calendar",
                "server_url": f"https://mcp.example.com/{KEY}",
                "authorization": TOKEN,
                "headers": {"X-Api-Key": KEY},
                "require_approval": "never",
            }
        ]

    asyncio.run(main())

    (row,) = latest(tmp_path / "data" / FILE_NAME)
    assert row.recording is not None
    recording = reader.read(Path(row.recording))
    kept = [recording.header.setup.agent.mcp[0].authorization or ""]
    for step in recording.steps():
        kept += [entry.text for entry in (*step.sent, *([] if step.received is None else [step.received]))]
    assert [text for text in kept if "0123456789" in text and "MZ" not in text] == []
    assert sum("${MCP_TOKEN}" in text for text in kept) == 3  # the agent, the order, its echo
    assert TOKEN not in caplog.text
    assert KEY not in caplog.text
