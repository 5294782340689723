import wave
from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.recording.reader import Recording
from voice_agent.recording.redact import NUMBERS_AND_SECRETS
from voice_agent.review.viewing import PEAKS, WAV, course_json, peaks, redacted_copy, write_sound

CALL = Path(__file__).parent.parent / "calls" / "interrupted.call"


def test_the_course_is_json_that_says_whether_there_is_sound() -> None:
    told = msgspec.json.decode(course_json(CALL))

    assert told["sound"] is True
    assert told["answers"]
    assert msgspec.json.decode(course_json(CALL.with_name("text-only.call")))["sound"] is False


def test_sound_and_peaks_lie_on_one_line_of_time(tmp_path: Path) -> None:
    write_sound(CALL, tmp_path)
    with wave.open(str(tmp_path / WAV)) as file:
        seconds = file.getnframes() / file.getframerate()
        assert file.getnchannels() == 2
    count = len((tmp_path / PEAKS).read_bytes()) // 2

    assert abs(count / 100 - seconds) <= 0.01
    assert abs(msgspec.json.decode(course_json(CALL))["length_ms"] / 1000 - seconds) <= 0.03


def test_a_copy_says_that_it_is_redacted() -> None:
    assert Recording(redacted_copy(CALL, NUMBERS_AND_SECRETS)[0]).header.redacted


def test_silence_has_no_peak_and_the_loudest_has_the_highest() -> None:
    assert peaks(b"\xff" * 80) == b"\0"
    assert peaks(b"\xff" * 79 + b"\0") == bytes([252])
    assert peaks(b"") == b""


@given(st.binary(max_size=1000))
def test_there_is_a_peak_for_every_begun_part(data: bytes) -> None:
    assert len(peaks(data)) == -(-len(data) // 80)
