import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audio.tones import sine
from voice_agent.audio import mulaw
from voice_agent.audio.levels import FLOOR_DBFS, Gap, gaps, rms_dbfs

QUIET = b"\xff"
TONE = mulaw.encode(sine(1000, 10_000, 8_000))


@pytest.mark.parametrize(
    ("data", "dbfs"),
    [
        (b"\x80\x00" * 80, -0.17),
        (mulaw.encode(sine(1000, 32_000, 8_000)), -3.2),
        (mulaw.encode(sine(1000, 320, 8_000)), -43.2),
        (b"\xff" * 80, FLOOR_DBFS),
        (b"\x7f" * 80, FLOOR_DBFS),
        (b"", FLOOR_DBFS),
    ],
)
def test_a_level_is_measured_against_a_full_scale_square(data: bytes, dbfs: float) -> None:
    assert rms_dbfs(data) == pytest.approx(dbfs, abs=0.1)


def test_silences_longer_than_asked_are_found_in_order() -> None:
    data = QUIET * 1600 + TONE[:800] + QUIET * 400 + TONE[:800] + QUIET * 2400 + TONE[:80]

    assert gaps(data, longer_than_ms=100) == [Gap(0, 200), Gap(450, 300)]


def test_a_silence_must_be_longer_than_the_bound_not_as_long() -> None:
    assert gaps(QUIET * 800, longer_than_ms=100) == []
    assert gaps(QUIET * 880, longer_than_ms=100) == [Gap(0, 110)]


def test_silence_at_the_end_counts() -> None:
    assert gaps(TONE[:800] + QUIET * 844, longer_than_ms=50) == [Gap(100, 105)]


def test_what_is_silence_is_a_matter_of_level() -> None:
    murmur = mulaw.encode(sine(1000, 320, 8_000))

    assert gaps(murmur, longer_than_ms=100) == []
    assert gaps(murmur, longer_than_ms=100, quieter_than_dbfs=-40) == [Gap(0, 2000)]


def test_no_audio_has_no_gap() -> None:
    assert gaps(b"", longer_than_ms=0) == []


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 30)), max_size=6), st.integers(0, 200))
def test_gaps_are_exactly_the_silences_put_in(plan: list[tuple[int, int]], longer_than_ms: int) -> None:
    data, expected = b"", []
    for silent_windows, loud_windows in plan:
        if silent_windows * 10 > longer_than_ms:
            expected.append(Gap(len(data) // 8, silent_windows * 10))
        data += QUIET * 80 * silent_windows + TONE[: 80 * loud_windows]

    assert gaps(data, longer_than_ms) == expected


def test_importing_audioop_warns_of_nothing() -> None:
    program = "from voice_agent.audio.audioop_import import audioop; print(audioop.rms(b'\\x01\\x00', 2))"
    run = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)

    assert (run.stdout, run.stderr) == ("1\n", "")
