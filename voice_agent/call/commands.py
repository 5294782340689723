"""What a call orders, and what it reports. Made by `Call`; carried out by the legs' codecs and by `live/`.

Reports change nothing outside: transcript, metrics, the terminal and the store are made from them.
"""

from typing import Any, Literal, Self

import msgspec

from voice_agent.agent import Agent, McpServer, ModelOptions, Tool, Transcription, TurnDetection
from voice_agent.call.events import TranscriptionUsage, Usage


class Command(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The root of all commands and reports; the tag in JSON is the class name."""


class Destination(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whom the caller is connected with."""

    name: str
    """The model knows it by this."""
    address: str
    """A number (E.164) or a SIP address (`sip:...`)."""
    seconds: int
    """How long it may ring."""
    caller_id: str = ""
    """What is shown there; empty: the caller's number."""
    conference: str = ""
    """The room in which a colleague who has accepted meets the caller; empty: they are only being called then."""


# --- to the phone leg, in order --------------------------------------------------------------------------------------


class PlayAudio(Command, frozen=True, gc=False):
    """Queue mu-law audio at the carrier, any length."""

    audio: bytes


class SendMark(Command, frozen=True, gc=False):
    """Ask for an echo when all audio before it has been played. Names are never used twice in a call."""

    name: str


class ClearPlayback(Command, frozen=True):
    """Drop what the carrier has queued."""


class ClosePhone(Command, frozen=True):
    """Close the stream's socket; the `<Connect action>` then decides what becomes of the call."""

    reason: str


class CheckPhone(Command, frozen=True):
    """Find out whether a silent stream still lives (WebSocket ping, REST); answered by `PhoneChecked`."""


class HangUp(Command, frozen=True):
    """End the call by REST; answered by `HangUpFinished`."""


# --- to the model leg, in order --------------------------------------------------------------------------------------


class ConnectModel(Command, frozen=True, omit_defaults=True):
    """Open the WebSocket; answered by `ModelOpened` or `ModelRefused`.

    Of one that was ordered before nothing more is heard.
    """

    endpoint: int = 0
    """Which of the call's, in the order of `CallSetup.models`."""


class OpenStandby(Command, frozen=True, omit_defaults=True):
    """Open another WebSocket beside the one in use; answered by `StandbyReady` or `StandbyFailed`.

    A `ConnectModel` that follows from `StandbyReady` takes it over; else it is closed. Of one that was ordered before
    nothing more is heard, and of none behind another `ConnectModel`, or `CloseModel`.
    """

    endpoint: int = 0
    """As in `ConnectModel`."""


class ConfigureSession(Command, frozen=True):
    """Set the whole session up: before any audio, and once more for another agent; answered by `SessionUpdated`."""

    instructions: str
    voice: str
    tools: tuple[Tool, ...]
    turn_detection: TurnDetection
    interrupt_response: bool
    create_response: bool
    transcription: Transcription | None
    noise_reduction: str | None
    model: ModelOptions = ModelOptions()
    mcp: tuple[McpServer, ...] = ()
    event_id: str = ""
    """Comes back in `SessionUpdated.request` and, in errors, as `ModelError.event_id`; empty: of no interest."""

    @classmethod
    def for_agent(
        cls, agent: Agent, *, interrupt_response: bool, create_response: bool, voice: str = "", event_id: str = ""
    ) -> Self:
        """Set it up as the agent's file says; `voice`: this one instead of its own."""
        return cls(
            instructions=agent.instructions,
            voice=voice or agent.voice,
            tools=agent.tools,
            turn_detection=agent.turn_detection,
            interrupt_response=interrupt_response,
            create_response=create_response,
            transcription=agent.transcription,
            noise_reduction=agent.noise_reduction,
            model=agent.model,
            mcp=agent.mcp,
            event_id=event_id,
        )


class SetTurnFlags(Command, frozen=True):
    """Change who decides about barge-in and answers, leaving the rest of the session as it is."""

    turn_detection: TurnDetection
    interrupt_response: bool
    create_response: bool


class AppendAudio(Command, frozen=True, gc=False):
    """Give the model what the caller said: mu-law, any length."""

    audio: bytes


class CreateResponse(Command, frozen=True):
    """Ask for a response."""

    request: str
    """Our name for it; comes back in `ResponseCreated.request` and, in errors, as `ModelError.event_id`."""
    instructions: str | None = None
    """Replaces the session's instructions for this response."""
    tool_choice: Literal["auto", "none"] = "auto"


class CancelResponse(Command, frozen=True):
    """Stop generating."""

    event_id: str
    response_id: str


class TruncateItem(Command, frozen=True):
    """Cut the model's memory of an item to what was heard."""

    event_id: str
    item_id: str
    content_index: int
    audio_end_ms: int
    basis: Literal["mark", "estimate", "clock"]
    """`mark`: the cut mark's echo decided. `estimate`: it did not come in time. `clock`: no inbound frames came."""


class AddUserText(Command, frozen=True):
    """Add a user item of text, e.g. keys pressed."""

    event_id: str
    text: str


class AddAgentText(Command, frozen=True):
    """Add an item of the agent's words that the caller has heard, though this session did not make them."""

    event_id: str
    text: str
    first: bool = False
    """Before all that is there; else behind it."""


class AddSystemText(Command, frozen=True):
    """Tell the model what happens beside the conversation."""

    event_id: str
    text: str


class AddToolCall(Command, frozen=True):
    """Add a function call that a former session made; its answer follows as `AddToolOutput`."""

    event_id: str
    call_id: str
    name: str
    arguments: str


class AddToolOutput(Command, frozen=True):
    """Answer a function call. Creates no response by itself."""

    event_id: str
    call_id: str
    output: str


class AnswerMcpApproval(Command, frozen=True):
    """Say whether an MCP call may be made."""

    item_id: str
    """Ours, of the answer."""
    request_id: str
    approve: bool
    reason: str = ""
    """For the model."""


class CloseModel(Command, frozen=True):
    """Close the session's socket."""


# --- slow work -------------------------------------------------------------------------------------------------------


class RunTool(Command, frozen=True, omit_defaults=True):
    """Run one tool off the audio path; answered by exactly one `ToolFinished`."""

    call_id: str
    name: str
    arguments: str
    agent: str = ""
    """Whose tool it is, when the call was handed over; empty: of the agent that took the call."""


class KeepDigits(Command, frozen=True):
    """Hold digits that nobody may see for the tools whose arguments name them; a recording has a 0 for each."""

    name: str
    """What stands for them is `${name}`."""
    digits: str


class CallColleague(Command, frozen=True):
    """Call somebody who shall take the caller over, and ask them; answered by exactly one `ColleagueAnswered`."""

    call_id: str
    destination: Destination
    summary: str
    """What they are told."""


class SettleTransfer(Command, frozen=True):
    """Of the call with a colleague: whether they take the caller. Comes once."""

    accepted: bool


# --- to whoever keeps a record ---------------------------------------------------------------------------------------


class HideKeys(Command, frozen=True):
    """From now on keys are secret: a record has `0` in the place of each, but for the terminator.

    What the caller says is to be held back for 200 ms, until it is known whether a key was pressed then.
    """

    terminator: str


class HideCaller(Command, frozen=True):
    """A secret key was pressed: frames that end later than this are silent in a record, until `ShowCaller`."""

    from_ms: int
    """On the carrier's clock."""


class ShowCaller(Command, frozen=True):
    """The next frame may be heard again."""


class ShowKeys(Command, frozen=True):
    """The next key is not secret any more, and nothing need be held back."""


# --- reports ---------------------------------------------------------------------------------------------------------


class CallStarted(Command, frozen=True):
    """The stream began and the call can be heard."""

    connect_ms: int
    """From the call's beginning to the usable session; -1 when there is none."""


class CallerBegan(Command, frozen=True):
    """The caller began to speak."""


class CallerSaid(Command, frozen=True):
    """The words of one turn of the caller."""

    item_id: str
    text: str


class AgentBegan(Command, frozen=True):
    """The carrier began to play an item after silence, or behind a clip of ours."""

    item_id: str
    response_ms: int
    """From the end of the caller's speech to the first sound of the answer, on the carrier's clock; -1: no answer."""


class AgentSaid(Command, frozen=True, omit_defaults=True):
    """An item was played, whole or in part: `text` is what was heard of it."""

    item_id: str
    text: str
    heard_ms: int
    total_ms: int
    interrupted: bool
    agent: str = ""
    """Who said it, when the call was handed over; empty: the agent that took the call."""


class Interrupted(Command, frozen=True):
    """Barge-in: the agent was cut."""

    heard_ms: int
    """Of the item in the air."""
    item_id: str
    basis: Literal["mark", "estimate", "clock"]


class KeysPressed(Command, frozen=True):
    """Keys that were given to the model as text."""

    digits: str


class ToolStarted(Command, frozen=True, omit_defaults=True):
    """The model called a tool."""

    call_id: str
    name: str
    arguments: str
    server: str = ""
    """The label of the MCP server that has it; empty: it is one of ours."""

    @property
    def told(self) -> str:
        """The tool's name, with whose it is."""
        return f"{self.name} ({self.server})" if self.server else self.name


class ToolAnswered(Command, frozen=True):
    """The model was given the answer, by us or by an MCP server."""

    call_id: str
    output: str
    failed: bool
    took_ms: int


class HandedOver(Command, frozen=True):
    """Another agent has the call."""

    agent: str
    """Its name."""


class ResponseUsed(Command, frozen=True):
    """Tokens of one response."""

    usage: Usage


class TranscriptionUsed(Command, frozen=True):
    """What the words of one turn of the caller were billed by; another model than the one that answers made them."""

    usage: TranscriptionUsage


class Note(Command, frozen=True):
    """A line for the log and a count for the metrics: what happened that a person may want to know."""

    level: Literal["debug", "info", "warning", "error"]
    what: str
    """A fixed sentence: it is also the counter's name."""
    fields: dict[str, Any] = {}


Outcome = Literal[
    "completed",
    "caller_hung_up",
    "transferred",
    "keys_sent",
    "no_stream",
    "model_failed",
    "stream_lost",
    "stopped",
    "machine",
]
"""How a call ended."""


class CallEnded(Command, frozen=True, omit_defaults=True):
    """The last thing that a call says, exactly once."""

    outcome: Outcome
    reason: str
    duration_ms: int
    destination: Destination | None = None
    """Of `transferred`: where the carrier shall take the caller now."""
    keys: str | None = None
    """Of `keys_sent`: what the carrier shall press now; then the call goes on in another stream."""


PhoneCommand = PlayAudio | SendMark | ClearPlayback
ModelCommand = (
    ConfigureSession
    | SetTurnFlags
    | AppendAudio
    | CreateResponse
    | CancelResponse
    | TruncateItem
    | AddUserText
    | AddAgentText
    | AddSystemText
    | AddToolCall
    | AddToolOutput
    | AnswerMcpApproval
)
Hiding = HideKeys | HideCaller | ShowCaller | ShowKeys
Work = (
    ClosePhone
    | CheckPhone
    | HangUp
    | ConnectModel
    | OpenStandby
    | CloseModel
    | RunTool
    | KeepDigits
    | CallColleague
    | SettleTransfer
    | Hiding
)
Report = (
    CallStarted
    | CallerBegan
    | CallerSaid
    | AgentBegan
    | AgentSaid
    | Interrupted
    | KeysPressed
    | ToolStarted
    | ToolAnswered
    | HandedOver
    | ResponseUsed
    | TranscriptionUsed
    | Note
    | CallEnded
)
CallCommand = PhoneCommand | ModelCommand | Work | Report
