"""A text as one frame of a WebSocket, RFC 6455 5.2, and where a client's frame ends: for the two hot sockets.

By hand, because a library's frame is an object with checks for all that a frame may be, and ours are always the same:
whole, a text, without extensions. It must not know what the texts are.
"""

import os

try:
    from websockets.speedups import apply_mask
except ImportError:  # where there is no wheel for the machine
    from websockets.utils import apply_mask

TEXT = 0x81
"""The first byte of a text in one frame: FIN and the opcode."""

REFUSED = -1

_MASKED = 0x80
_LENGTH_16, _LENGTH_64 = 126, 127
"""What stands in place of a length that follows in 16 or 64 bits."""

_MASKS_BYTES = 1024
"""Random bytes that are asked for at once: a call of the system for each frame costs more than all else in it."""


class ClientFrames:
    """Makes a client's frames, with a mask of its own for each that nobody can foresee (RFC 6455 5.3)."""

    def __init__(self) -> None:
        self._masks = b""
        self._at = 0

    def text(self, text: str) -> bytes:
        """Give the frame of a text."""
        if self._at >= len(self._masks):
            self._masks, self._at = os.urandom(_MASKS_BYTES), 0
        mask = self._masks[self._at : self._at + 4]
        self._at += 4
        data = text.encode()
        return _head(len(data), _MASKED) + mask + apply_mask(data, mask)


def server_frame(text: str) -> bytes:
    """Give a server's frame of a text."""
    data = text.encode()
    return _head(len(data), 0) + data


def client_frame_end(data: bytes, at: int) -> int | None:
    """Say where a client's frame that begins at `at` ends, maybe behind `data`.

    `None`: its head is not whole. `REFUSED`: no server of ours takes it: its length needs 64 bits, or it has no mask.
    """
    if len(data) < at + 2:
        return None
    length = data[at + 1] - _MASKED
    if length < 0 or length == _LENGTH_64:
        return REFUSED
    if length < _LENGTH_16:
        return at + 6 + length
    if len(data) < at + 4:
        return None
    return at + 8 + (data[at + 2] << 8 | data[at + 3])


def client_text(data: bytes, at: int, end: int) -> str:
    """Give the text of a client's whole frame; raises `UnicodeDecodeError`."""
    mask = at + (4 if data[at + 1] == _MASKED + _LENGTH_16 else 2)
    return apply_mask(data[mask + 4 : end], data[mask : mask + 4]).decode()


def _head(length: int, masked: int) -> bytes:
    if length < _LENGTH_16:
        return bytes((TEXT, masked | length))
    if length < 1 << 16:
        return bytes((TEXT, masked | _LENGTH_16)) + length.to_bytes(2)
    return bytes((TEXT, masked | _LENGTH_64)) + length.to_bytes(8)
