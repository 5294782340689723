"""A recorder in front of another one that lets no secret digit through, nor the sound of the caller who types it.

The core says when (`HideKeys`, `HideCaller` and their ends), and silences the same frames on their way to the model:
so a record that was masked replays strictly. Each digit becomes `0`, which the core takes alike. Frames are held back
for as long as a key that is still to come could reach them, with all that follows them; a process that dies takes those
200 ms with it. It must not know what is done with a record.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence

import msgspec

from voice_agent.audio.mulaw import SILENCE
from voice_agent.call.commands import HideCaller, HideKeys, KeepDigits, ShowCaller, ShowKeys
from voice_agent.call.hidden_audio import BEFORE_MS, BYTES_PER_MS
from voice_agent.errors import PeerError
from voice_agent.live.session_needs import Recorder
from voice_agent.wire import twilio
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import PhoneText


class _Waiting(msgspec.Struct):
    """A step that is held back, or a remark between two."""

    tell: Callable[[Input | None], None]
    received: Input | None = None
    media: twilio.Media | None = None
    end_ms: int = 0
    """Of the frame; the carrier's clock."""


class MaskingRecorder:
    """Fits `session.Recorder`. `flush` when the call is over."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._terminator: str | None = None
        """The key that is no secret while others are; `None`: none is secret."""
        self._silent = False
        self._newest_ms = 0
        self._waiting: deque[_Waiting] = deque()

    def record(self, now_ms: int, received: Input | None, outputs: Sequence[Output]) -> None:
        """Take one step."""
        if self._terminator is None and not any(isinstance(output, HideKeys) for output in outputs):
            self._recorder.record(now_ms, received, outputs)
            return
        masked = [_masked(output) for output in outputs]
        step = _Waiting(lambda shown: self._recorder.record(now_ms, shown, masked), received)
        if isinstance(received, PhoneText):
            self._look_at(step, received)
        self._waiting.append(step)
        self._obey(outputs)
        self._release()

    def remark(self, now_ms: int, what: str) -> None:
        """Take what no step tells."""
        self._waiting.append(_Waiting(lambda _: self._recorder.remark(now_ms, what)))
        self._release()

    def flush(self) -> None:
        """Tell all that is held back."""
        while self._waiting:
            self._tell_first()

    def _look_at(self, step: _Waiting, received: PhoneText) -> None:
        try:
            message = twilio.parse(received.text)
        except PeerError:
            return
        match message:
            case twilio.Dtmf() if message.dtmf.digit != self._terminator and self._terminator is not None:
                step.received = _text(msgspec.structs.replace(message, dtmf=twilio.DtmfBody("0")))
            case twilio.Media():
                self._newest_ms = max(
                    self._newest_ms, message.media.timestamp + len(message.media.payload) // BYTES_PER_MS
                )
                step.media, step.end_ms = message, self._newest_ms
                if self._silent:
                    _silence(step)

    def _obey(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            match output:
                case HideKeys():
                    self._terminator = output.terminator
                    self._newest_ms = 0
                case HideCaller():
                    self._silent = True
                    for step in self._waiting:
                        if step.end_ms > output.from_ms:
                            _silence(step)
                case ShowCaller():
                    self._silent = False
                case ShowKeys():
                    self._terminator = None
                case _:
                    pass

    def _release(self) -> None:
        holds = self._terminator is not None and not self._silent
        while self._waiting and not (holds and self._may_hold_a_key(self._waiting[0])):
            self._tell_first()

    def _may_hold_a_key(self, step: _Waiting) -> bool:
        return step.media is not None and step.end_ms > self._newest_ms - BEFORE_MS

    def _tell_first(self) -> None:
        step = self._waiting.popleft()
        step.tell(step.received)


def _silence(step: _Waiting) -> None:
    media, step.media = step.media, None
    if media is not None:
        body = msgspec.structs.replace(media.media, payload=bytes([SILENCE]) * len(media.media.payload))
        step.received = _text(msgspec.structs.replace(media, media=body))


def _masked(output: Output) -> Output:
    return KeepDigits(output.name, "0" * len(output.digits)) if isinstance(output, KeepDigits) else output


def _text(message: twilio.FromTwilio) -> PhoneText:
    return PhoneText(twilio.encode(message))
