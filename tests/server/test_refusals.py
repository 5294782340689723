import pytest

from voice_agent.live.admission import Refusal
from voice_agent.live.metrics import Metrics
from voice_agent.server.refusals import DETAIL_CHARACTERS, LINES_A_MINUTE, Refusals


def test_a_stranger_cannot_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    metrics, clock = Metrics(), iter([0] * 1000 + [60])
    refusals = Refusals(metrics, lambda: next(clock))
    for _ in range(1000):
        refusals.tell(Refusal.WEBHOOK_UNSIGNED, "x" * 10_000)

    assert metrics.get("refused", reason="webhook unsigned") == 1000
    assert len(caplog.records) == LINES_A_MINUTE
    assert all(len(record.getMessage()) < DETAIL_CHARACTERS + 100 for record in caplog.records)
    assert caplog.records[-1].getMessage().endswith("; further ones in this minute are only counted")

    refusals.tell(Refusal.WEBHOOK_UNSIGNED, "a minute later")
    assert caplog.records[-1].getMessage() == "refused (webhook unsigned): a minute later"


def test_one_kind_of_refusal_does_not_hide_another(caplog: pytest.LogCaptureFixture) -> None:
    refusals = Refusals(Metrics(), lambda: 0)
    for _ in range(100):
        refusals.turned_out(Refusal.NO_REQUEST)
    refusals.tell(Refusal.TOKEN_FORGED, "a stream", "CA1")

    assert caplog.records[-1].getMessage() == "refused (token forged): a stream"
    assert caplog.records[-1].__dict__["call"] == "CA1"
