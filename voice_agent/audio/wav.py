"""WAV files: PCM16 on disk, mu-law 8 kHz in the program.

A file that somebody gave us and that cannot be used is a `ConfigError` with its path; a file that cannot be written a
`CommandError`. It knows nothing of calls: which voice is left and which is right is up to who writes.
"""

import wave
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice_agent.audio import mulaw
from voice_agent.audio.fir import exact, lowpass
from voice_agent.errors import CommandError, ConfigError

RATES_HZ: Final = (8_000, 16_000, 24_000, 48_000)
"""What can be read: the multiples of the phone's rate that sound files really come in."""

_PHONE_HZ = 8_000

_PART_BYTES = 2**16
"""Of mu-law, converted at once: half an hour of a call as a whole does not fit into a processor's caches."""

_TAPS_PER_RATIO = 48
"""With this the filter for 24 kHz is the resampler's own, and those for other rates have its shape in Hz."""


def write_mono(path: Path, data: bytes) -> None:
    """Write mu-law 8 kHz as a PCM16 file of one channel, replacing what is there; raises `CommandError`."""
    _write(path, [data])


def write_stereo(path: Path, left: bytes, right: bytes) -> None:
    """Write two mu-law 8 kHz channels as a PCM16 file; the shorter is filled up with silence. Raises `CommandError`."""
    length = max(len(left), len(right))
    _write(path, [side.ljust(length, bytes([mulaw.SILENCE])) for side in (left, right)])


def read_mulaw(path: Path, channel: int | None = None) -> bytes:
    """Read a PCM16 file at one of `RATES_HZ`, of one or two channels, as mu-law 8 kHz; nothing is delayed.

    `channel` 0 is the left one, 1 the right one, `None` the mean of both. Raises `ConfigError`.
    """
    rate_hz, frames = _read(path)
    if channel is not None and channel >= frames.shape[1]:
        raise ConfigError(f"has {frames.shape[1]} channel(s), so no channel {channel}", str(path))
    samples = frames.mean(axis=1) if channel is None else frames[:, channel].astype(np.float64)
    limited = np.clip(np.rint(_to_phone_rate(samples, rate_hz)), -32768, 32767)
    return mulaw.encode(limited.astype(np.int16))


def _to_phone_rate(samples: NDArray[np.float64], rate_hz: int) -> NDArray[np.float64]:
    ratio = rate_hz // _PHONE_HZ
    if ratio == 1 or not len(samples):
        return samples
    taps = exact(lowpass(taps=_TAPS_PER_RATIO * ratio + 1, rate_hz=rate_hz, cutoff_hz=3_700, beta=5.6))
    centre = len(taps) // 2
    return np.convolve(samples, taps)[centre : centre + len(samples) : ratio]


def _read(path: Path) -> tuple[int, NDArray[np.int16]]:
    """Read the rate in Hz and the samples, one row a moment, one column a channel."""
    where = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror or error}", where) from error
    try:
        with wave.open(BytesIO(content), "rb") as file:
            rate_hz, channels, width = file.getframerate(), file.getnchannels(), file.getsampwidth()
            data = file.readframes(file.getnframes())
    except (wave.Error, EOFError, RuntimeError) as error:
        # `wave` says nothing with EOFError, and nothing with the RuntimeError that a chunk of a wrong size gets.
        fault = str(error) or "it ends too early"
        raise ConfigError(f"is not a WAV file of 16-bit PCM ({fault})", where) from error
    if width != 2:
        raise ConfigError(f"has {8 * width}-bit samples; save it as 16-bit PCM", where)
    if channels not in (1, 2):
        raise ConfigError(f"has {channels} channels; save it as mono or stereo", where)
    if rate_hz not in RATES_HZ:
        raise ConfigError(f"is at {rate_hz} Hz; save it at 8000, 16000, 24000 or 48000 Hz", where)
    # A file that was cut off, or written to a pipe, holds less than its header says: what is there counts.
    whole = len(data) - len(data) % (2 * channels)
    return rate_hz, np.frombuffer(data[:whole], "<i2").reshape(-1, channels)


def _write(path: Path, channels: Sequence[bytes]) -> None:
    length = len(channels[0])
    try:
        with path.open("wb") as to, wave.open(to, "wb") as file:
            file.setnchannels(len(channels))
            file.setsampwidth(2)
            file.setframerate(_PHONE_HZ)
            file.setnframes(length)
            for at in range(0, length, _PART_BYTES):
                parts = [mulaw.decode(channel[at : at + _PART_BYTES]) for channel in channels]
                file.writeframesraw(np.column_stack(parts).astype("<i2").tobytes())
    except OSError as error:
        raise CommandError(f"{path}: cannot be written: {error.strerror or error}") from error
