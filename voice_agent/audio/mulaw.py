"""G.711 mu-law, exactly: the phone network's 8-bit code for a sample, 8 kHz mono, 8 bytes a millisecond.

It knows nothing of sample rates, files or sockets. The standard library's `audioop.lin2ulaw` is not used: it shifts
before it takes the magnitude, so that 381 of the 65,536 samples (all negative) get another code than G.711 says.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

SILENCE: Final = 0xFF
"""The code of a zero sample, to pad with. 0x7F is zero too; 0x00 is not silence but -32124, the loudest click."""

BYTES_PER_MS: Final = 8
"""One byte a sample at 8 kHz."""

_BIAS = 132
"""Added to the magnitude (33 in G.711's 14-bit numbers), so that every segment is a power of two."""

_CLIP = 32635
"""The largest magnitude with a code of its own; louder samples get the same code."""


def _decode_table() -> NDArray[np.int16]:
    # G.711 table 2a: every bit of the code is sent inverted; sign, 3 bits of segment, 4 bits within the segment.
    code = ~np.arange(256)
    magnitude = ((((code & 0x0F) << 3) + _BIAS) << ((code >> 4) & 0x07)) - _BIAS
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _encode_table() -> NDArray[np.uint8]:
    sample = np.arange(-32768, 32768)
    biased = np.minimum(np.abs(sample), _CLIP) + _BIAS
    # The segment is the position of the highest set bit, which is 7 for the bias alone.
    segment = np.frexp(biased)[1] - 8
    code = np.where(sample < 0, 0x80, 0) | segment << 4 | (biased >> (segment + 3)) & 0x0F
    return np.asarray(~code & 0xFF, np.uint8)


DECODED: Final = _decode_table()
"""The sample of every code: 256 int16."""

CODES: Final = _encode_table()
"""The code of every sample, -32768 first: 65,536 uint8."""


def decode(data: bytes) -> NDArray[np.int16]:
    """Give the sample of every code."""
    return DECODED.take(np.frombuffer(data, np.uint8))


def encode(samples: NDArray[np.int16]) -> bytes:
    """Give the code of every sample; beyond the code's range (+-32635) it saturates."""
    return CODES.take(samples.astype(np.intp) + 32768).tobytes()
