"""One peer connection through aiortc: the caller's microphone in, speech out at the pace of a clock, events beside.

It must not know what a session is: audio and texts go to a function that it is given. Importing this module needs
aiortc and PyAV (extra `emulator`).
"""

import asyncio
import contextlib
import fractions
import logging
from collections.abc import Callable
from typing import Any

from aiortc import MediaStreamTrack, RTCConfiguration, RTCDataChannel, RTCPeerConnection, RTCSessionDescription
from aiortc.exceptions import InvalidStateError
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler

from voice_agent.errors import PeerError
from voice_agent.sim.realtime import FRAME_MS, ClientText, FrameDue, HeardAudio, Input

RATE_HZ = 24_000
"""What a session hears and speaks; aiortc's Opus is 48 kHz stereo."""

_SAMPLES = RATE_HZ * FRAME_MS // 1000

_LATEST_SECONDS = 0.2
"""A clock that is further behind (the machine stood still) goes on from now instead of sending a burst."""

_DRAIN_SECONDS = 0.5
"""How long the last events may take to leave."""

_UNREADABLE = (ValueError, LookupError, AttributeError, TypeError, AssertionError, InvalidStateError)
"""The parser fails in as many ways as an SDP can be wrong, none of them an exception of its own."""

_log = logging.getLogger(__name__)


class Peer:
    """One connection. `answer` first, then `listen` until the caller has gone, `close` at the end."""

    def __init__(self, take: Callable[[Input], None], leave: Callable[[], None]) -> None:
        """`take` gets what the peer brings; `leave` is called when the connection ends, perhaps more than once."""
        # No STUN server: a stand-in asks nobody on the internet who it is.
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._speech = _Speech(take)
        self._take = take
        self._leave = leave
        self._channel: RTCDataChannel | None = None
        self._unsent: list[str] = []
        self._connection.on("datachannel", self._open_channel)
        self._connection.on("connectionstatechange", self._note_state)

    async def answer(self, offer: str) -> str:
        """Give the SDP answer, with all candidates. Raises `PeerError` for an offer that is none or has no audio."""
        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
            if not any(transceiver.kind == "audio" for transceiver in self._connection.getTransceivers()):
                raise PeerError("the offer has no audio")
            self._connection.addTrack(self._speech)
            await self._connection.setLocalDescription(await self._connection.createAnswer())
        except _UNREADABLE as error:
            raise PeerError(f"the offer could not be read: {error}") from error
        return reachable(self._connection.localDescription.sdp)

    async def listen(self) -> None:
        """Hear the microphone until the track ends."""
        microphone = next(
            transceiver.receiver.track
            for transceiver in self._connection.getTransceivers()
            if transceiver.kind == "audio"
        )
        resampler = AudioResampler(format="s16", layout="mono", rate=RATE_HZ)
        while True:
            try:
                frame = await microphone.recv()
            except MediaStreamError:
                return
            assert isinstance(frame, AudioFrame), "aiortc decodes what it receives"
            for part in resampler.resample(frame):
                # The plane may be padded behind the samples.
                self._take(HeardAudio(bytes(part.planes[0])[: 2 * part.samples]))

    def send(self, text: str) -> None:
        """Send an event over the data channel, or keep it until there is one."""
        if self._channel is None:
            self._unsent.append(text)
        elif self._channel.readyState == "open":
            self._channel.send(text)

    def play(self, pcm: bytes) -> None:
        """Give the frame that the clock asked for."""
        self._speech.give(pcm)

    async def close(self) -> None:
        """Send what waits, then end the connection."""
        self._speech.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_SECONDS):
                await self._sent()
        await self._connection.close()

    async def _sent(self) -> None:
        """Wait until the data channel holds nothing back."""
        channel = self._channel
        if channel is not None and channel.readyState == "open" and channel.bufferedAmount:
            sent = asyncio.Event()
            channel.on("bufferedamountlow", sent.set)
            await sent.wait()

    def _open_channel(self, channel: RTCDataChannel) -> None:
        """The client opens one, usually named `oai-events`; further ones are not listened to."""
        if self._channel is not None:
            return
        self._channel = channel
        channel.on("message", self._receive)
        unsent, self._unsent = self._unsent, []
        for text in unsent:
            channel.send(text)

    def _receive(self, message: Any) -> None:
        self._take(ClientText(message if isinstance(message, str) else message.decode(errors="replace")))

    def _note_state(self) -> None:
        state = self._connection.connectionState
        _log.debug("peer connection: %s", state)
        if state in {"failed", "closed"}:
            self._leave()


def reachable(sdp: str) -> str:
    """Give an SDP back if it says where we are, else raise `PeerError`: ICE leaves loopback out (RFC 8445, 5.1.1.1)."""
    if "a=candidate:" not in sdp:
        raise PeerError("this machine has no network interface beside loopback, and WebRTC needs one")
    return sdp


class _Speech(MediaStreamTrack):
    """Asks for 20 ms of speech every 20 ms, from when the connection stands: this clock is the caller's playback."""

    kind = "audio"

    def __init__(self, take: Callable[[Input], None]) -> None:
        super().__init__()
        self._take = take
        self._frames: asyncio.Queue[bytes] = asyncio.Queue()
        self._due: float | None = None
        self._samples = 0

    def give(self, pcm: bytes) -> None:
        """Answer one `FrameDue`."""
        self._frames.put_nowait(pcm)

    async def recv(self) -> AudioFrame:
        """Give the next frame when it is due; see `MediaStreamTrack`."""
        if self.readyState != "live":
            raise MediaStreamError
        now = asyncio.get_running_loop().time()
        due = now if self._due is None else self._due + FRAME_MS / 1000
        self._due = due if now - due < _LATEST_SECONDS else now
        await asyncio.sleep(self._due - now)
        self._take(FrameDue())
        frame = AudioFrame(format="s16", layout="mono", samples=_SAMPLES)
        frame.planes[0].update(await self._frames.get())
        frame.sample_rate = RATE_HZ
        frame.time_base = fractions.Fraction(1, RATE_HZ)
        frame.pts = self._samples
        self._samples += _SAMPLES
        return frame
