"""What users write, and what it means."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.errors import PeerError
from voice_agent.sim.realtime import Faults, parse_faults
from voice_agent.sim.realtime.faults import KINDS, Failure, Refusal, Timed


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", Faults()),
        (" , ", Faults()),
        ("status-429", Faults(status=429)),
        ("status-429, retry-after=7", Faults(status=429, retry_after_s=7)),
        ("slow-upgrade=250", Faults(slow_upgrade_ms=250)),
        ("silence", Faults(timed=(Timed(0, "silence"),))),
        ("drop@2.5", Faults(timed=(Timed(2500, "drop"),))),
        ("close=1011@5", Faults(timed=(Timed(5000, "close", "1011"),))),
        ("error=server_error", Faults(timed=(Timed(0, "error", "server_error"),))),
        ("unknown,malformed@1", Faults(timed=(Timed(0, "unknown"), Timed(1000, "malformed")))),
        (
            "refuse=session.update:unknown_parameter*1",
            Faults(refusals=(Refusal("session.update", "unknown_parameter", 1),)),
        ),
        ("fail=rate_limit_exceeded*2", Faults(failures=(Failure(None, "rate_limit_exceeded", 2),))),
        ("incomplete=content_filter,midway", Faults(failures=(Failure("content_filter", "", None),), midway=True)),
        ("mute,deaf,delay=300", Faults(mute=True, deaf=True, delay_ms=300)),
        ("late-audio=800,late-words=90,chunks=7", Faults(late_audio_ms=800, late_words_ms=90, chunk_bytes=7)),
    ],
)
def test_each_fault_is_written_in_its_own_way(text: str, meant: Faults) -> None:
    assert parse_faults(text) == meant


@pytest.mark.parametrize(
    "text",
    [
        "weather",
        "status",
        "status-418",
        "status-429=1",
        "drop-5@1",
        "drop",
        "drop=1@1",
        "close=1006@1",
        "close=1011",
        "close=x@1",
        "error",
        "error=No!",
        "delay",
        "delay=x",
        "delay=0",
        "delay=3@2",
        "chunks=7*2",
        "midway=1",
        "fail",
        "fail=server_error@1",
        "incomplete=boredom",
        "refuse=session.update",
        "=",
    ],
)
def test_what_is_no_fault_is_named_beside_all_that_are(text: str) -> None:
    with pytest.raises(PeerError) as refused:
        parse_faults(f"delay=1,{text}")

    assert str(refused.value).startswith(f"unknown fault '{text}'; there are: status-CODE, retry-after=SECONDS")


def test_every_kind_is_explained() -> None:
    assert all(KINDS.values())


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz-=@*,.:0123456789", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(PeerError):
        parse_faults(text)
