import asyncio
import re
from pathlib import Path

from tests.support.pump import settle
from tests.support.reception import a_desk
from tests.support.tiny_twilio import FIELDS
from voice_agent.live.admission import Refusal
from voice_agent.server.health import prometheus

LINE = re.compile(r'voice_agent_[a-z_]+(\{[a-z_]+="[^"\n]*"(,[a-z_]+="[^"\n]*")*\})? \d+')


def test_what_was_counted_and_what_is_now_is_told_in_prometheus_format(tmp_path: Path) -> None:
    async def main() -> str:
        async with asyncio.timeout(5), a_desk(tmp_path) as desk:
            desk.reception.answer(FIELDS)
            desk.reception.refuse(Refusal.TOKEN_USED, "")
            desk.reception.counters.add("notes", what='with "quotes",\nlines and \\')
            await settle()
            return prometheus(desk.reception)

    lines = asyncio.run(main()).splitlines()

    assert 'voice_agent_refused_total{reason="token used"} 1' in lines
    assert "voice_agent_calls 1" in lines
    assert 'voice_agent_outbox_messages{leg="phone",of="longest"} 0' in lines
    assert r'voice_agent_notes_total{what="with \"quotes\",\nlines and \\"} 1' in lines
    plain = [line for line in lines if not line.startswith("#") and "quotes" not in line]
    assert all(LINE.fullmatch(line) for line in plain), plain
    declared = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(declared) == len(set(declared))
