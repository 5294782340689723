"""A call that the server places, over all sockets: REST, webhook, stream, the detection's callback, and a machine."""

import asyncio
import json
from pathlib import Path

from tests.support.fake_speech import fake_speech
from tests.support.stored import latest
from tests.support.tiny_customer import ACCOUNT_SID, CALLED, TOKEN
from tests.support.tiny_twilio import request
from voice_agent.call.commands import CallEnded, Report
from voice_agent.cli.dial_watch import callbacks_of, follow
from voice_agent.config.agents import AgentFolder
from voice_agent.config.secret import Secret
from voice_agent.config.settings import PACKAGED_AGENTS, Settings
from voice_agent.emulator.brains import choose_brain
from voice_agent.emulator.realtime import serve_realtime
from voice_agent.emulator.twilio import Callee, EmulatedTwilio, IncomingNumber, Post, Verdict
from voice_agent.server.run import Serving
from voice_agent.sim.realtime import RealtimeOptions
from voice_agent.store.database import FILE_NAME
from voice_agent.twilio_api.calls import CallsApi
from voice_agent.twilio_api.rest import open_rest

ORDER = {"to": "+14255550123", "agent": "reminder", "variables": {"name": "Ana"}}
NEWS = (Verdict(700, "machine_end_beep"), Verdict(900, "human"))
"""The second contradicts what is being done."""


def test_a_machine_that_the_server_has_called_is_left_the_message_and_hung_up_on(tmp_path: Path) -> None:
    reports: list[Report] = []
    said: list[str] = []
    callee, twice = Callee(is_a="machine", verdicts=NEWS), Post(times=2)

    async def main() -> None:
        usual = Settings(
            port=0,
            data=tmp_path,
            twilio_account_sid=ACCOUNT_SID,
            twilio_auth_token=Secret(TOKEN),
            twilio_phone_number=CALLED,
            dial_countries=("+1",),
            api_token=Secret("secret"),
        )
        brain, _ = choose_brain(usual)
        numbers = [IncomingNumber(phone_number=CALLED)]
        async with (
            asyncio.timeout(60),
            serve_realtime("127.0.0.1", 0, fake_speech(), brain, RealtimeOptions(pace=20)) as model,
            EmulatedTwilio(ACCOUNT_SID, TOKEN, numbers=numbers, callees=lambda _: callee, post=twice) as twilio,
        ):
            settings = Settings(
                **{name: getattr(usual, name) for name in usual.__struct_fields__}
                | {"twilio_api_base_url": twilio.base_url}
            )
            async with Serving(
                settings,
                AgentFolder(PACKAGED_AGENTS),
                emulator_url=model.url,
                clips={},
                observers=[lambda _sid, _now_ms, report: reports.append(report)],
            ) as serving:
                headers = {"Authorization": "Bearer secret"}
                status, text = await request(f"{serving.url}/calls", headers=headers, body=json.dumps(ORDER).encode())
                assert status == 201
                call = twilio.calls[json.loads(text)["sid"]]
                api = open_rest(CallsApi, serving.settings)
                assert api is not None
                followed = await follow(api, call.sid, said.append, 60, callbacks_of(serving.settings))
                api.close()
                await call.ended()

                assert call.warnings == []
                assert (followed.status, followed.answered_by) == ("completed", "human")
                assert "ended by REST" in [moment.what for moment in call.timeline]
                status, text = await request(f"{serving.url}/calls/{call.sid}", headers=headers)
                assert (status, json.loads(text)["status"]) == (200, "completed")

    asyncio.run(main())
    assert "answered by a machine (machine_end_beep)" in said
    assert said[-1].startswith("completed after")
    (ended,) = (report for report in reports if isinstance(report, CallEnded))
    assert (ended.outcome, ended.reason) == ("machine", "a message was left")
    (kept,) = latest(tmp_path / FILE_NAME)
    assert (kept.outcome, kept.caller, kept.called) == ("machine", "+14255550123", CALLED)
