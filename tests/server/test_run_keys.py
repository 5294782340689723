"""Keys that the carrier presses, through real sockets: the emulated Twilio, this server, and a model of few words."""

import asyncio
from pathlib import Path

from tests.server.test_run import AGENT, Call, a_server
from tests.server.test_run_transfer import calls_tool
from tests.support.stored import latest
from tests.support.tiny_twilio import ACCOUNT_SID, TOKEN
from voice_agent.call.commands import AgentBegan
from voice_agent.emulator.twilio import EmulatedCall, EmulatedTwilio
from voice_agent.store.database import FILE_NAME

PRESSING = AGENT.replace("audio", "off") + "tools: [send_digits: {by: call}]\n"


def test_the_far_end_hears_the_keys_and_then_the_agent_again_who_knows_that_they_were_sent(tmp_path: Path) -> None:
    async def main() -> tuple[Call, EmulatedCall]:
        async with a_server(tmp_path, PRESSING) as call, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            calls_tool(call, "send_digits", '{"digits": "4W#"}')
            menu = twilio.place_call(f"{call.serving.url}/twilio/voice", "+14255550199", "+14255550100")
            await menu.wait_until(lambda: sum(isinstance(one, AgentBegan) for _, one in call.reports) > 1)
            menu.hang_up()
            await menu.ended()
            return call, menu

    call, menu = asyncio.run(main())
    moments = [
        f"{moment.what} {moment.detail}".strip()
        for moment in menu.timeline
        if "stream" in moment.what or "plays" in moment.what
    ]
    second, first = latest(tmp_path / "data" / FILE_NAME)

    assert [moment.partition(" ws")[0] for moment in moments] == [
        "the stream starts",
        "the stream ends bridge_closed",
        "the carrier plays 4ww#",
        "the stream starts",
        "the stream ends caller_hung_up",
    ]
    assert (menu.keys_heard, menu.warnings) == ("4#", [])
    assert len(menu.agent_track) == len(menu.caller_track)
    items = [message["item"] for message in call.model.of_type("conversation.item.create")]
    assert [item.get("output") for item in items if item["type"] == "function_call_output"][-1:] == ['{"sent":"4W#"}']
    assert "system" not in [item.get("role") for item in items]
    assert (first.outcome, second.outcome, first.call_sid) == ("keys_sent", "caller_hung_up", second.call_sid)
