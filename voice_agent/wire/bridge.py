"""A call with its two codecs: texts and facts in, texts and orders out.

This is the whole of a call without its sockets: `live` runs it against real ones, `replay` feeds it a recording, and
`sim.world` joins it to a simulated carrier and model. It has no I/O and no clock; what it is fed decides everything.
"""

from collections.abc import Mapping

from voice_agent.call.call import Call
from voice_agent.call.commands import (
    AddToolOutput,
    AddUserText,
    AppendAudio,
    CallCommand,
    CancelResponse,
    ClearPlayback,
    ConfigureSession,
    CreateResponse,
    PlayAudio,
    Report,
    SendMark,
    SetTurnFlags,
    TruncateItem,
    Work,
)
from voice_agent.call.events import (
    CallEvent,
    EndRequested,
    HangUpFinished,
    ModelClosed,
    ModelFault,
    ModelOpened,
    ModelRefused,
    PhoneChecked,
    PhoneClosed,
    PhoneFault,
    TimerFired,
    ToolFinished,
)
from voice_agent.call.setup import CallSetup
from voice_agent.wire.model_codec import ModelCodec
from voice_agent.wire.phone_codec import PhoneCodec
from voice_agent.wire.texts import ModelText, PhoneText

Input = (
    PhoneText
    | ModelText
    | PhoneFault
    | PhoneClosed
    | PhoneChecked
    | HangUpFinished
    | ModelOpened
    | ModelRefused
    | ModelClosed
    | ModelFault
    | TimerFired
    | ToolFinished
    | EndRequested
)
"""All that can be fed to a bridge: exactly this, in feed order, is what a recording keeps."""

Output = PhoneText | ModelText | Work | Report
"""All that comes out, in the order in which it must be carried out."""


class Bridge:
    """One call, sans-I/O. After every `feed` carry out the outputs in order, then look at `deadline()`."""

    def __init__(self, setup: CallSetup, clips: Mapping[str, bytes], call: Call | None = None) -> None:
        """`clips`: packaged speech by name, mu-law 8 kHz. `call`: one that is watched, made of the same two."""
        self.call = call or Call(setup, clips)
        self._phone = PhoneCodec()
        self._model = ModelCodec(setup.model)

    def start(self) -> list[Output]:
        """Begin at 0 ms; call once, before the first `feed`."""
        return self._encode(self.call.start())

    def feed(self, now_ms: int, received: Input) -> list[Output]:
        """Take one input at `now_ms` (whole milliseconds since the call began, never decreasing)."""
        if isinstance(received, PhoneText):
            return self._feed_all(now_ms, self._phone.receive(received.text))
        if isinstance(received, ModelText):
            return self._feed_all(now_ms, self._model.receive(received.text))
        return self._encode(self.call.feed(now_ms, received))

    def deadline(self) -> int | None:
        """When to feed `TimerFired` unless something else comes first; `None`: not at all."""
        return self.call.deadline()

    def _feed_all(self, now_ms: int, events: list[CallEvent]) -> list[Output]:
        outputs: list[Output] = []
        for event in events:
            outputs += self._encode(self.call.feed(now_ms, event))
        return outputs

    def _encode(self, commands: list[CallCommand]) -> list[Output]:
        outputs: list[Output] = []
        for command in commands:
            match command:
                case PlayAudio() | SendMark() | ClearPlayback():
                    outputs.append(PhoneText(self._phone.send(command)))
                case (
                    AppendAudio()
                    | ConfigureSession()
                    | SetTurnFlags()
                    | CreateResponse()
                    | CancelResponse()
                    | TruncateItem()
                    | AddUserText()
                    | AddToolOutput()
                ):
                    outputs += map(ModelText, self._model.send(command))
                case _:
                    outputs.append(command)
        return outputs
