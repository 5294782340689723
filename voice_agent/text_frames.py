"""A text as one frame of a WebSocket, RFC 6455 5.2, and frames cut out of what a peer sends: for hot sockets.

By hand, because a library's frame is an object with checks for all that a frame may be, and ours are always the same:
whole, a text, without extensions. It must not know what the texts are.
"""

import os
from collections.abc import Sequence

try:
    from websockets.speedups import apply_mask
except ImportError:  # where there is no wheel for the machine
    from websockets.utils import apply_mask

TEXT = 0x81
"""The first byte of a text in one frame: FIN and the opcode."""

_MASKED = 0x80
_LENGTH_16, _LENGTH_64 = 126, 127
"""What stands in place of a length that follows in 16 or 64 bits."""

_HEAD_16 = bytes((TEXT, _MASKED | _LENGTH_16))
"""How most of a client's frames begin."""

_HEAD_BYTES = 8
"""Of a head with 16 bits of length, and its mask."""

_REFUSED = -1
"""The length needs 64 bits, or there is no mask."""

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
        length = len(data)
        if _LENGTH_16 <= length < 1 << 16:
            return _HEAD_16 + length.to_bytes(2) + mask + apply_mask(data, mask)
        return _head(length, _MASKED) + mask + apply_mask(data, mask)


def server_frame(text: str) -> bytes:
    """Give a server's frame of a text."""
    data = text.encode()
    return _head(len(data), 0) + data


class FrameCutter:
    """Cuts what a client sends into whole frames, without a look at what they are."""

    def __init__(self, most: int) -> None:
        """`most`: bytes that a frame may hold, below 64 KiB."""
        self._longest = most + _HEAD_BYTES
        self._begun = b""
        self.refused = False
        """The last thing given is the beginning of a frame that no server takes; nothing can be cut any more."""

    def cut(self, data: bytes) -> Sequence[bytes]:
        """Give the frames that are whole now, with head and mask; `data` is what came."""
        data = self._begun + data if self._begun else data
        at, size, frames = 0, len(data), []
        while (end := _end(data, at)) is not None:
            if end == _REFUSED or end - at > self._longest:
                self.refused = True
                frames.append(data[at:])
                return frames
            if end > size:
                break
            if end - at == size:  # mostly one frame comes, and nothing else
                self._begun = b""
                return (data,)
            frames.append(data[at:end])
            at = end
        self._begun = data[at:]
        return frames


class ServerFrameCutter:
    """Cuts what a server sends into whole frames; longer ones go on in the pieces in which they came."""

    def __init__(self) -> None:
        self._begun = b""
        self._rest = 0
        """Bytes of a long frame that are still to come."""
        self.refused = False
        """Nothing can be cut any more: there was a frame that no server sends."""

    def cut(self, data: bytes) -> list[tuple[bool, bytes]]:
        """Give all that is whole now, in order, and whether it is a text in one frame; `data` is what came."""
        if self.refused:
            return [(False, data)]
        pieces: list[tuple[bool, bytes]] = []
        if self._rest:
            pieces.append((False, data[: self._rest]))
            data, self._rest = data[self._rest :], max(0, self._rest - len(data))
        data = self._begun + data if self._begun else data
        at, size = 0, len(data)
        while size - at >= 2:
            length, head = data[at + 1], 2
            if length >= _MASKED:
                self.refused, self._begun = True, b""
                return [*pieces, (False, data[at:])]
            if length >= _LENGTH_16:
                head = 4 if length == _LENGTH_16 else 10
                if size - at < head:
                    break
                length = int.from_bytes(data[at + 2 : at + head])
            end = at + head + length
            if head == 10:
                pieces.append((False, data[at:end]))
                self._rest, end = max(0, end - size), min(end, size)
            elif end > size:
                break
            else:
                pieces.append((data[at] == TEXT, data[at:end]))
            at = end
        self._begun = data[at:]
        return pieces


def server_text(frame: bytes) -> str:
    """Give the text of a server's whole frame of less than 64 KiB; raises `UnicodeDecodeError`."""
    return frame[4 if frame[1] == _LENGTH_16 else 2 :].decode()


def client_text(frame: bytes) -> str:
    """Give the text of a client's whole frame; raises `UnicodeDecodeError`."""
    mask = 4 if frame[1] == _MASKED + _LENGTH_16 else 2
    return apply_mask(frame[mask + 4 :], frame[mask : mask + 4]).decode()


def _end(data: bytes, at: int) -> int | None:
    """Say where the frame that begins at `at` ends, maybe behind `data`; `None`: its head is not whole."""
    if len(data) < at + 2:
        return None
    length = data[at + 1] - _MASKED
    if length < 0 or length == _LENGTH_64:
        return _REFUSED
    if length < _LENGTH_16:
        return at + 6 + length
    if len(data) < at + 4:
        return None
    return at + _HEAD_BYTES + (data[at + 2] << 8 | data[at + 3])


def _head(length: int, masked: int) -> bytes:
    if length < _LENGTH_16:
        return bytes((TEXT, masked | length))
    if length < 1 << 16:
        return bytes((TEXT, masked | _LENGTH_16)) + length.to_bytes(2)
    return bytes((TEXT, masked | _LENGTH_64)) + length.to_bytes(8)
