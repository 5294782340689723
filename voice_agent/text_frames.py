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

MOST_AT_ONCE = 5000
"""Frames of one read, which has 256 KiB at most: of a peer that sends more they are next to empty, and each costs as
much as a full one, while all others wait."""

_MASKED = 0x80
_LENGTH_16, _LENGTH_64 = 126, 127
"""What stands in place of a length that follows in 16 or 64 bits."""

_HEAD_16 = bytes((TEXT, _MASKED | _LENGTH_16))
"""How most of a client's frames begin."""

_MASK_BYTES = 4
_ANY = 1 << 64
_REFUSED = -1

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
    """Cuts what a peer sends into whole frames; those of 64 KiB and more go on in the pieces in which they came."""

    def __init__(self, *, masked: bool, most: int = _ANY) -> None:
        """`masked`: the peer is a client. `most`: bytes that a frame may hold."""
        self._mask, self._mask_bytes = (_MASKED, _MASK_BYTES) if masked else (0, 0)
        self._most = most
        self._begun = b""
        self._rest = 0
        """Bytes of a long frame that are still to come."""
        self.refused = False
        """Nothing can be cut any more: a frame is too long, or masked as the other side's are."""

    def cut(self, data: bytes) -> Sequence[tuple[bool, bytes]]:
        """Give all that is whole now, in order, and whether it is a text in one short frame; `data` is what came."""
        if self._begun:
            data = self._begun + data
        elif self._rest or self.refused:
            return self._go_on(data)
        at, size = 0, len(data)
        pieces: list[tuple[bool, bytes]] = []
        while size - at >= 2:
            head, length = 2, data[at + 1] - self._mask
            if length == _LENGTH_16:
                head = 4
                if size - at < head:
                    break
                length = data[at + 2] << 8 | data[at + 3]
            elif length == _LENGTH_64:
                head = 10
                if size - at < head:
                    break
                length = int.from_bytes(data[at + 2 : at + head])
            elif length > _LENGTH_64:
                length = _REFUSED
            if not 0 <= length <= self._most:
                self.refused, self._begun = True, b""
                return [*pieces, (False, data[at:])]
            end = at + head + self._mask_bytes + length
            if end <= size:
                is_text = data[at] == TEXT and head < 10
                if end - at == size:  # mostly one frame comes, and nothing else
                    self._begun = b""
                    return ((is_text, data),)
                pieces.append((is_text, data[at:end]))
            elif head == 10:
                pieces.append((False, data[at:]))
                self._rest, end = end - size, size
            else:
                break
            at = end
        self._begun = data[at:]
        return pieces

    def _go_on(self, data: bytes) -> Sequence[tuple[bool, bytes]]:
        """Give what belongs to a frame that has begun to go on in pieces, or all where nothing can be cut."""
        rest = len(data) if self.refused else self._rest
        piece, behind = data[:rest], data[rest:]
        self._rest = max(0, self._rest - len(data))
        return [(False, piece), *(self.cut(behind) if behind else ())]


def server_text(frame: bytes) -> str:
    """Give the text of a server's whole frame of less than 64 KiB; raises `UnicodeDecodeError`."""
    return frame[4 if frame[1] == _LENGTH_16 else 2 :].decode()


def client_text(frame: bytes) -> str:
    """Give the text of a client's whole frame; raises `UnicodeDecodeError`."""
    mask = 4 if frame[1] == _MASKED + _LENGTH_16 else 2
    return apply_mask(frame[mask + 4 :], frame[mask : mask + 4]).decode()


def _head(length: int, masked: int) -> bytes:
    if length < _LENGTH_16:
        return bytes((TEXT, masked | length))
    if length < 1 << 16:
        return bytes((TEXT, masked | _LENGTH_16)) + length.to_bytes(2)
    return bytes((TEXT, masked | _LENGTH_64)) + length.to_bytes(8)
