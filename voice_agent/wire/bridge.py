"""A call with its two codecs: texts and facts in, texts and orders out.

This is the whole of a call without its sockets: `live` runs it against real ones, `replay` feeds it a recording, and
`sim.world` joins it to a simulated carrier and model. It has no I/O and no clock; what it is fed decides everything.

`feed` is `read`, then the call, then `write`. Who stands on both sides of a wire may call the three one by one and
spare what crosses most often its text: audio, marks and clears can be read and given as values.
"""

from collections.abc import Mapping, Sequence
from typing import cast, get_args

from voice_agent.call.call import Call
from voice_agent.call.commands import (
    AddAgentText,
    AddSystemText,
    AddToolCall,
    AddToolOutput,
    AddUserText,
    AnswerMcpApproval,
    AppendAudio,
    CallCommand,
    CancelResponse,
    ClearPlayback,
    ConfigureSession,
    ConnectModel,
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
    ColleagueAnswered,
    EndRequested,
    HangUpFinished,
    MachineVerdict,
    ModelClosed,
    ModelFault,
    ModelOpened,
    ModelRefused,
    PhoneChecked,
    PhoneClosed,
    PhoneFault,
    StandbyFailed,
    StandbyReady,
    TimerFired,
    ToolFinished,
)
from voice_agent.call.setup import CallSetup
from voice_agent.wire import realtime, twilio
from voice_agent.wire.item_audio import Delta
from voice_agent.wire.model_codec import ModelCodec
from voice_agent.wire.phone_codec import PhoneCodec
from voice_agent.wire.texts import ModelText, PhoneText

Untouched = (
    PhoneFault
    | PhoneClosed
    | PhoneChecked
    | HangUpFinished
    | ModelOpened
    | ModelRefused
    | ModelClosed
    | StandbyReady
    | StandbyFailed
    | ModelFault
    | TimerFired
    | ToolFinished
    | MachineVerdict
    | ColleagueAnswered
    | EndRequested
)
"""What means to the call what it is."""

Input = PhoneText | ModelText | Untouched
"""All that can be fed to a bridge: exactly this, in feed order, is what a recording keeps."""

Unwritten = twilio.FromTwilio | Delta
"""What `read` takes besides: messages that were never a text."""

Sound = AppendAudio | PlayAudio | SendMark | ClearPlayback
"""What `write` gives a text that is not needed by who stands on both sides of a wire."""

_FROM_TWILIO = frozenset(get_args(twilio.FromTwilio))

Output = PhoneText | ModelText | Work | Report
"""All that comes out, in the order in which it must be carried out."""


class Bridge:
    """One call, sans-I/O. After every `feed` carry out the outputs in order, then look at `deadline()`."""

    def __init__(self, setup: CallSetup, clips: Mapping[str, bytes]) -> None:
        """`clips`: packaged speech by name, mu-law 8 kHz."""
        self.call = Call(setup, clips)
        self.phone = PhoneCodec()
        self._models = setup.models
        self.model = ModelCodec(setup.model)

    def start(self) -> list[Output]:
        """Begin at 0 ms; call once, before the first `feed`."""
        return [output for command in self.call.start() for output in self.write(command)]

    def feed(self, now_ms: int, received: Input) -> list[Output]:
        """Take one input at `now_ms` (whole milliseconds since the call began, never decreasing)."""
        outputs: list[Output] = []
        for event in self.read(received):
            for command in self.call.feed(now_ms, event):
                outputs += self.write(command)
        return outputs

    def deadline(self) -> int | None:
        """When to feed `TimerFired` unless something else comes first; `None`: not at all."""
        return self.call.deadline()

    def read(self, received: Input | Unwritten) -> Sequence[CallEvent]:
        """Give what an input means to the call, to be fed to it in order."""
        # By type, not by `isinstance`: of one that is no such thing that takes a whole step of the audio path.
        if type(received) is PhoneText:
            return self.phone.receive(received.text)
        if type(received) is ModelText:
            return self.model.receive(received.text)
        if type(received) is Delta:
            return self.model.hear(received)
        if type(received) is twilio.Media or type(received) is twilio.Mark:
            return self.phone.events(received)
        if type(received) in _FROM_TWILIO:
            return self.phone.events(cast("twilio.FromTwilio", received))
        return [cast("Untouched", received)]

    def write(self, command: CallCommand) -> list[Output]:
        """Give what a command of the call is outside: a text, none (a resampler holds back), or the command itself."""
        match command:
            case AppendAudio():
                audio = self.model.append(command)
                return [ModelText(realtime.encode_append(audio))] if audio else []
            case PlayAudio() | SendMark() | ClearPlayback():
                return [PhoneText(self.phone.send(command))]
            case (
                ConfigureSession()
                | SetTurnFlags()
                | CreateResponse()
                | CancelResponse()
                | TruncateItem()
                | AddUserText()
                | AddAgentText()
                | AddSystemText()
                | AddToolCall()
                | AddToolOutput()
                | AnswerMcpApproval()
            ):
                return [ModelText(text) for text in self.model.send(command)]
            case ConnectModel():
                self.model = ModelCodec(self._models[command.endpoint])
                return [command]
            case _:
                return [command]
