import wave
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audio.tones import TELEPHONE_BAND_HZ, decibels, sine, spectrum
from voice_agent.audio import mulaw, wav
from voice_agent.errors import CommandError, ConfigError


def pcm_file(rate_hz: int, frames: bytes, channels: int = 1, width: int = 2) -> bytes:
    content = BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(frames)
    return content.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sound.wav"


SPEECH = mulaw.encode(sine(440, 9000, 8_000)[:800])


def test_a_mono_file_reads_back_as_it_was_written(path: Path) -> None:
    wav.write_mono(path, SPEECH)

    assert wav.read_mulaw(path) == SPEECH


def test_a_file_is_pcm16_at_8_khz_for_any_player(path: Path) -> None:
    wav.write_mono(path, b"\xff\x00")
    with wave.open(str(path), "rb") as file:
        parameters = file.getparams()[:4]
        frames = file.readframes(2)

    assert parameters == (1, 2, 8000, 2)
    assert np.frombuffer(frames, "<i2").tolist() == [0, -32124]


def test_left_and_right_keep_their_sides_and_the_shorter_is_filled_with_silence(path: Path) -> None:
    wav.write_stereo(path, SPEECH, SPEECH[:100])

    assert wav.read_mulaw(path, channel=0) == SPEECH
    assert wav.read_mulaw(path, channel=1) == SPEECH[:100] + b"\xff" * 700


def test_an_empty_call_is_an_empty_file(path: Path) -> None:
    wav.write_stereo(path, b"", b"")

    assert wav.read_mulaw(path) == b""


def test_both_channels_are_heard_at_half_their_level_when_none_is_named(path: Path) -> None:
    frames = np.array([[1000, 3000], [-500, 500], [8, 8]], "<i2")
    path.write_bytes(pcm_file(8_000, frames.tobytes(), channels=2))

    assert wav.read_mulaw(path) == mulaw.encode(np.array([2000, 0, 8], np.int16))


@pytest.mark.parametrize("rate_hz", wav.RATES_HZ)
def test_the_telephone_band_is_read_as_it_was_at_every_rate(path: Path, rate_hz: int) -> None:
    for hz in TELEPHONE_BAND_HZ[:-1]:
        path.write_bytes(pcm_file(rate_hz, sine(hz + 7, 16_000, rate_hz).tobytes()))
        line = spectrum(mulaw.decode(wav.read_mulaw(path)[4_000:12_000]), 8_000)[hz + 7]

        assert abs(decibels(line / 16_000)) <= 0.1, hz


@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 48_000])
def test_nothing_above_4_khz_folds_back(path: Path, rate_hz: int) -> None:
    for hz in (4_100, 4_500, 5_000, 6_500, 7_900):
        path.write_bytes(pcm_file(rate_hz, sine(hz, 32_767, rate_hz).tobytes()))
        left = mulaw.decode(wav.read_mulaw(path)[4_000:12_000]).astype(float).std()

        assert left <= 23_170 * 10 ** (-50 / 20), hz


@pytest.mark.parametrize("rate_hz", wav.RATES_HZ)
def test_reading_neither_delays_nor_shortens(path: Path, rate_hz: int) -> None:
    samples = np.zeros(rate_hz // 10, "<i2")
    samples[rate_hz // 20] = 32_767
    path.write_bytes(pcm_file(rate_hz, samples.tobytes()))
    read = mulaw.decode(wav.read_mulaw(path)).astype(int)

    assert len(read) == 800
    assert int(np.abs(read).argmax()) == 400


def test_overload_of_the_filter_saturates(path: Path) -> None:
    square = np.tile(np.repeat([32_767, -32_767], 24), 100).astype("<i2")
    path.write_bytes(pcm_file(24_000, square.tobytes()))
    read = mulaw.decode(wav.read_mulaw(path))

    assert read.max() == 32_124
    assert (read[1:7] > 0).all()


def test_a_file_that_was_cut_off_counts_as_far_as_it_goes(path: Path) -> None:
    wav.write_mono(path, SPEECH)
    path.write_bytes(path.read_bytes()[:-401])

    assert wav.read_mulaw(path) == SPEECH[:-201]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is not a WAV file of 16-bit PCM (it ends too early)"),
        (b"RIFF", "is not a WAV file of 16-bit PCM (it ends too early)"),
        (b"ID3\x04" + bytes(100), "is not a WAV file of 16-bit PCM (file does not start with RIFF id)"),
        (pcm_file(8_000, bytes(8), width=1), "has 8-bit samples; save it as 16-bit PCM"),
        (pcm_file(8_000, bytes(12), width=3), "has 24-bit samples; save it as 16-bit PCM"),
        (pcm_file(8_000, bytes(12), channels=3), "has 3 channels; save it as mono or stereo"),
        (pcm_file(44_100, bytes(8)), "is at 44100 Hz; save it at 8000, 16000, 24000 or 48000 Hz"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_fault(path: Path, content: bytes, fault: str) -> None:
    path.write_bytes(content)

    with pytest.raises(ConfigError) as caught:
        wav.read_mulaw(path)

    assert str(caught.value) == f"{path}: {fault}"


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sound\.wav: cannot be read: No such file"):
        wav.read_mulaw(path)


def test_a_missing_channel_is_named(path: Path) -> None:
    wav.write_mono(path, SPEECH)

    with pytest.raises(ConfigError, match=r"has 1 channel\(s\), so no channel 1"):
        wav.read_mulaw(path, channel=1)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"missing/sound\.wav: cannot be written: No such file"):
        wav.write_mono(tmp_path / "missing" / "sound.wav", SPEECH)


@given(st.data())
def test_garbage_never_escapes_as_anything_but_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(pcm_file(24_000, bytes(60), channels=2))
    for position in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=6)):
        content[position] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.mktemp("garbage") / "sound.wav"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])

    try:
        read = len(wav.read_mulaw(path))
    except ConfigError as error:
        read = -str(error).count("\n")
    assert 0 <= read <= 30
