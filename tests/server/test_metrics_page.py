import asyncio
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.support.pump import settle
from tests.support.reception import Desk, a_desk
from tests.support.tiny_twilio import FIELDS
from voice_agent.live.admission import Refusal
from voice_agent.live.capacity import Capacity, Limits
from voice_agent.live.loop_lag import LoopLag
from voice_agent.live.metrics import COUNTS, PREFIX, TIMES
from voice_agent.live.spending import Spending
from voice_agent.server.metrics_page import metrics_page

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def samples(page: str) -> Samples:
    """What a reader of Prometheus' makes of it."""
    families = list(text_string_to_metric_families(page))
    names = [family.name for family in families]
    assert len(names) == len(set(names))
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def page_of(folder: Path, in_store: int | None = None) -> str:
    async def main() -> str:
        async with asyncio.timeout(60), a_desk(folder) as desk:
            desk.reception.capacity = Capacity(Limits(calls=9, lag_ms=100), lambda: 0, LoopLag(), Spending())
            await busy(desk)
            return metrics_page(desk.reception, in_store)

    return asyncio.run(main())


async def busy(desk: Desk) -> None:
    await desk.reception.receive(FIELDS)
    desk.reception.refusals.tell(Refusal.TOKEN_USED, "")
    desk.reception.metrics.add("notes", what='with "quotes",\nlines and \\')
    await settle()


def test_what_was_counted_and_what_is_now_is_told_in_prometheus_format(tmp_path: Path) -> None:
    told = samples(page_of(tmp_path, in_store=7))

    assert told["voice_agent_refused_total", frozenset({("reason", "token used")})] == 1
    assert told["voice_agent_notes_total", frozenset({("what", 'with "quotes",\nlines and \\')})] == 1
    assert told["voice_agent_calls", frozenset()] == 1
    assert told["voice_agent_calls_in_store", frozenset()] == 7
    assert told["voice_agent_calls_limit", frozenset()] == 9
    assert told["voice_agent_ready", frozenset()] == 1
    assert told["voice_agent_agents_broken", frozenset()] == 0
    assert told["voice_agent_outbox_messages", frozenset({("leg", "phone"), ("of", "longest")})] == 0


def test_a_store_that_cannot_be_asked_has_no_number(tmp_path: Path) -> None:
    assert ("voice_agent_calls_in_store", frozenset()) not in samples(page_of(tmp_path))


def test_every_metric_is_on_the_page_before_anything_has_happened(tmp_path: Path) -> None:
    page = page_of(tmp_path)

    declared = {line.split()[2] for line in page.splitlines() if line.startswith("# TYPE")}
    assert {f"{PREFIX}{name}_total" for name in COUNTS} | {f"{PREFIX}{name}" for name in TIMES} <= declared


def test_when_a_metric_began_is_not_told(tmp_path: Path) -> None:
    """It would double the page."""
    assert "_created" not in page_of(tmp_path)
