"""What the parts of a call tell each other, through `Call`: no part knows another.

A fact is like an event, but it is a conclusion of the core, so it is never recorded.
"""

from typing import Literal

import msgspec

from voice_agent.agent import Agent
from voice_agent.call.commands import Destination

SESSION_LOST = "session_lost"
"""The `reason` of a `ResponseDone` that no model said: the response was open when its session was lost."""


class Fact(msgspec.Struct, frozen=True, gc=False):
    """The root of all facts."""


class SessionReady(Fact, frozen=True):
    """The model's session is set up as asked; audio may flow. Said by `model_link`."""


class ModelGone(Fact, frozen=True):
    """The model cannot serve this call any more. Said by `model_link`."""

    reason: str


class SessionFailed(Fact, frozen=True):
    """The session is of no use any more, though its socket may be open; heard by `model_link`."""

    reason: str
    renewed: bool = False
    """Nothing is wrong with it, so far."""


class StandbyWanted(Fact, frozen=True):
    """The session should be exchanged: another is to be had first. Said by `renewal`, heard by `model_link`."""


class StandbyMissed(Fact, frozen=True):
    """It is not to be had now. Said by `model_link`, heard by `renewal`."""


class SessionLost(Fact, frozen=True):
    """The session is gone, and another is being opened: what hung on it is settled. Said by `model_link`.

    Each response that was open is then said to be done, as if it had been cancelled.
    """


class SessionOpened(Fact, frozen=True):
    """A session wants to know how it is set up. Said by `model_link`, heard by `turns`."""


class HistoryWanted(Fact, frozen=True):
    """A session is to be told what was said before it began. Said by `model_link`, heard by `transcript`."""

    reason: str
    """Why it was another session that heard it, for the model; empty: it was another stream of the call."""


class TurnUnanswered(Fact, frozen=True):
    """The caller's last turn was committed to a session that is lost, and there is no answer. Said by `turns`."""


class TurnHeardAgain(Fact, frozen=True):
    """Nobody has written that turn down, so the next session hears it once more. Said by `caller_audio`."""

    item_id: str


class ResponseWanted(Fact, frozen=True):
    """Somebody wants the model to speak; `turns` asks for it as soon as the rules allow."""

    purpose: Literal["greeting", "tool", "mcp", "keys", "idle", "goodbye", "turn", "retry"]
    instructions: str | None = None
    tool_choice: Literal["auto", "none"] = "auto"
    keep: bool = False
    """Ask again when the caller's turn came first; otherwise the answer to that turn takes its place."""


class ResponseAsked(Fact, frozen=True):
    """`turns` sent the request for a wanted response, whose `ResponseCreated` will carry this name."""

    purpose: str
    request: str


class TurnOpened(Fact, frozen=True):
    """The caller speaks. Said by `turns`."""

    overheard: bool
    """The agent speaks or is about to, and is not cut: the text is protected, or the sound is too short so far."""


class TurnClosed(Fact, frozen=True):
    """The caller's turn is over. Said by `turns`."""


class SpeechLasted(Fact, frozen=True):
    """The caller's speech has lasted as long as the barge-in policy asks. Said by `voice_length`."""


class CallerStopped(Fact, frozen=True):
    """When the caller's speech ended, on the carrier's clock. Said by `caller_audio`."""

    carrier_ms: int


class BargeIn(Fact, frozen=True):
    """The caller's voice stops the agent's. Said by `turns`."""

    response_id: str | None
    """The response still in generation, if there is one: nothing of it may be played any more."""


class ResponseDropped(Fact, frozen=True):
    """A response that must not be heard at all. Said by `turns`."""

    response_id: str


class RequestDue(Fact, frozen=True):
    """What is wanted can be asked for, behind all else that this moment brings. Said by `turns`, for itself."""


class ClipWanted(Fact, frozen=True):
    """Play packaged speech of our own behind what is queued. Heard by `playback`, and by `ending`."""

    name: str
    instead_of: str = ""
    """The response whose words it stands for, if it does."""


class SoundWanted(Fact, frozen=True):
    """Play a sound of our own that no voice cuts. Asked for while nothing plays. Heard by `playback`."""

    audio: bytes
    """Mu-law, 8 kHz."""


class OwnSpeechWanted(Fact, frozen=True):
    """Play speech of the agent's that this session did not make, and count it as an item. Heard by `playback`."""

    item_id: str
    text: str
    audio: bytes
    """Mu-law, 8 kHz."""


class SoundHeard(Fact, frozen=True):
    """Such a sound was played. Said by `playback`."""


class OwnSpeechHeard(Fact, frozen=True):
    """What was heard of it; empty: nothing. Said by `transcript`."""

    item_id: str
    text: str


class PlaybackBusy(Fact, frozen=True):
    """The carrier has something to play. Said by `playback`."""


class PlaybackIdle(Fact, frozen=True):
    """The carrier has nothing left to play: all was played, or it was cut. Said by `playback`."""


class ItemHeard(Fact, frozen=True):
    """How much of an item of the model was heard; said once an item, by `playback`."""

    item_id: str
    heard_ms: int
    total_ms: int
    """What the model has sent of it."""
    interrupted: bool
    unfinished: bool = False
    """More of it was to come when it was cut, or broke off: its words may be ahead of its sound."""


class HangUpWanted(Fact, frozen=True):
    """The model called `hang_up` or `transfer`. Said by `tool_calls`."""

    call_id: str
    response_id: str
    destination: Destination | None = None
    """Where the caller goes; `None`: nowhere, the call ends."""


class LineToolCalled(Fact, frozen=True):
    """The model called a tool that acts on the line: the part that has it answers. Said by `tool_calls`."""

    call_id: str
    name: str
    arguments: str
    """JSON as the model wrote it; may be invalid."""
    response_id: str = ""
    """The response that called it."""


class CallerHolds(Fact, frozen=True):
    """The caller waits for somebody who is called meanwhile, or no more."""

    holds: bool


class LineToolAnswered(Fact, frozen=True):
    """What came of such a call. Said once a call, by the part that has the tool."""

    call_id: str
    output: str
    failed: bool = False


class TransferAgreed(Fact, frozen=True):
    """A colleague takes the caller, who can go there now. Said by `warm_transfer`."""

    call_id: str
    """Of the model's call, which is not answered yet."""
    began_ms: int
    destination: Destination


class CarrierKeysWanted(Fact, frozen=True):
    """The carrier shall press keys now, and then go on with the call. Said by `carrier_keys`."""

    keys: str
    answers: tuple[tuple[str, str], ...]
    """The model's calls, which are not answered yet, each with its answer."""
    began_ms: int


class CallTaken(Fact, frozen=True):
    """The colleague who is spoken to takes the caller, and is taken there by the carrier. Said by `colleague`."""


class KeyHeard(Fact, frozen=True):
    """A key was pressed. Said by `caller_audio`."""

    session_ms: int
    """When, on the session's clock: the audio that was appended to it."""


class AgentChanged(Fact, frozen=True):
    """The call was handed over: from now on this agent speaks, with its tools and by its limits. Said by `handoff`."""

    agent: Agent
    voice: str = ""
    """The session has this one, whatever the agent's own is; empty: the agent's own."""


class CollectionBegan(Fact, frozen=True):
    """From now on the caller's keys belong to a tool. Said by `collect_digits`."""

    secret: bool = False
    """Nobody else may know them, nor hear the caller type."""


class CollectionEnded(Fact, frozen=True):
    """That tool has its digits, or waits no longer. Said by `collect_digits`."""


class SecrecyEnded(Fact, frozen=True):
    """The caller types nothing secret any more. Said by `collect_digits`, some time behind `CollectionEnded`."""


class KeysAhead(Fact, frozen=True):
    """Keys that were pressed shortly before a tool was called that waits for them. Said by `keys`."""

    digits: str


class KeyLeft(Fact, frozen=True):
    """A key that belongs to no tool. Said by `collect_digits`."""

    digit: str


class RemoteCallBegan(Fact, frozen=True):
    """The model's server carries out a tool call. Said by `mcp_calls`."""

    call_id: str
    response_id: str
    """Empty when it is not known any more which response made it."""
    name: str
    arguments: str
    server: str


class RemoteCallEnded(Fact, frozen=True):
    """Such a call is over. Said by `mcp_calls`."""

    call_id: str
    output: str
    failed: bool
    in_conversation: bool = True
    """The model knows what came of it."""


class ToolsBusy(Fact, frozen=True):
    """Whether a tool runs. Said by `tool_calls`."""

    busy: bool


class ConversationOpened(Fact, frozen=True):
    """Who answered a call of ours is taken for a person. Said by `answering_machine`."""


class MachineReached(Fact, frozen=True):
    """A machine has answered: it is told nothing, but for the goodbye. Said by `answering_machine`."""

    answered_by: str
    hangs_up: bool
    """There is no goodbye either."""


class GoodbyeWanted(Fact, frozen=True):
    """Say goodbye and end the call. Said by `idle`, `answering_machine` and the time limit in `ending`."""

    reason: str
    instructions: str


class GoodbyeTakenBack(Fact, frozen=True):
    """The call goes on: a goodbye that was asked for and not begun is not wanted any more. Said by `ending`."""


class StopPlaying(Fact, frozen=True):
    """The line is about to be closed, and a carrier may play to its end what it holds. Said by `ending`."""


class LineClosing(Fact, frozen=True):
    """We end the call: what the model or the caller says from now on is not answered any more. Said by `ending`."""


class CallOver(Fact, frozen=True):
    """The call has ended; each part settles its books. Said by `ending`."""
