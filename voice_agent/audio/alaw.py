"""G.711 A-law, the code of telephone networks outside North America and Japan, on its way to and from mu-law.

Calls of ours are mu-law throughout; this is for a peer that speaks the other law. Each code becomes the one whose
sample is nearest, which adds at most half a step of the coarser law. It knows nothing of rates, files or sockets.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from voice_agent.audio import mulaw

SILENCE: Final = 0xD5
"""The code of the smallest sample, 8; A-law has no zero."""

_TOGGLED = 0x55
"""Every other bit of a code is sent inverted (G.711, table 1a, note 2)."""


def _decode_table() -> NDArray[np.int16]:
    # G.711 table 1a: sign, 3 bits of segment, 4 bits within the segment. Segments 0 and 1 have the same step of 16.
    code = np.arange(256) ^ _TOGGLED
    segment, interval = (code >> 4) & 0x07, code & 0x0F
    magnitude = np.where(segment == 0, (interval << 4) + 8, ((interval << 4) + 0x108) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


DECODED: Final = _decode_table()
"""The sample of every code: 256 int16."""


def _nearest(wanted: NDArray[np.int16], offered: NDArray[np.int16]) -> bytes:
    """Give, for each wanted sample, the place of the nearest one that is offered."""
    distance = np.abs(wanted.astype(np.int32)[:, None] - offered.astype(np.int32)[None, :])
    return bytes(distance.argmin(axis=1).tolist())


TO_MULAW: Final = _nearest(DECODED, mulaw.DECODED)
"""For `bytes.translate`: A-law in, mu-law out."""

FROM_MULAW: Final = _nearest(mulaw.DECODED, DECODED)
"""For `bytes.translate`: mu-law in, A-law out."""
