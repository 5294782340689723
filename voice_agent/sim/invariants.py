"""What a call must never do, checked at every step of a simulated call.

The truth about the caller's ear is the carrier's; what the model knows of it is what the call told it. Everything is
judged by what the call was fed and what it ordered, so it is the same whether texts cross a wire or not.

    cut          audio was played after it was cut
    credit       what the model was told, or the transcript holds, of an item that was heard is further from the truth
                 than can be explained (`Bounds`)
    beyond       an item was truncated beyond what the model had sent of it, or though all of it was heard
    tail         an item that nobody cut was not played whole
    tool         a function call was not answered, late, or twice; a call that an MCP server carries out was not told to
                 have ended, late, or twice
    dead air     see `dead_air`
    unheard      what the caller said while the session was being set up never reached the model
    over itself  the agent asked whether anybody is there while it could be heard itself
    over another a response was asked for while another was being made, which the service refuses
    over caller  the agent or a clip of ours began to speak, or the model was asked to, while the caller was speaking;
                 a protected greeting, the apology, keys that the agent presses, what confirms to a colleague that they
                 take a call, and what is said to who may be a machine are heard whatever is said
    secret       what a caller typed in secret was told to the model or in a report
    goodbye      the line was closed before the last words were heard
    outlives     the call went on after its caller had gone
    open         a socket was left open after the end
    machine      something was said before it was known who answered a call of ours, or to a machine
    lost         see `lost_session`
    log          what was kept of the call does not give the same again
    crash        the core failed
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from voice_agent.agent import Agent
from voice_agent.call.commands import (
    AddToolOutput,
    AddUserText,
    AgentSaid,
    AnswerMcpApproval,
    AppendAudio,
    CallCommand,
    CallEnded,
    CancelResponse,
    ClearPlayback,
    ClosePhone,
    ConnectModel,
    CreateResponse,
    HandedOver,
    HangUp,
    Interrupted,
    KeepDigits,
    Note,
    PlayAudio,
    SendMark,
    SettleTransfer,
    SetTurnFlags,
    ToolAnswered,
    ToolStarted,
    TruncateItem,
)
from voice_agent.call.events import (
    CallerAudio,
    CallEvent,
    EndRequested,
    MarkEchoed,
    McpApprovalAsked,
    ModelAudio,
    ModelError,
    ResponseCreated,
    ResponseDone,
    SessionUpdated,
    SpeechStarted,
    StreamStarted,
    TimerFired,
    ToolRequested,
    TurnCommitted,
)
from voice_agent.call.greeting import KEPT_ITEM
from voice_agent.call.setup import CallSetup
from voice_agent.call.turns import BY_KEY
from voice_agent.sim.answered_tools import AnsweredTools
from voice_agent.sim.carrier import Carrier
from voice_agent.sim.dead_air import LONGEST_MS, DeadAir
from voice_agent.sim.lost_session import LostSession
from voice_agent.sim.time_limit import TimeLimit
from voice_agent.sim.track import BYTES_PER_MS
from voice_agent.sim.who_answered import WhoAnswered

Rule = Literal[
    "cut",
    "credit",
    "beyond",
    "tail",
    "tool",
    "dead air",
    "unheard",
    "over itself",
    "over another",
    "over caller",
    "secret",
    "goodbye",
    "outlives",
    "open",
    "machine",
    "lost",
    "log",
    "crash",
]

APOLOGY_MS = 60_000
"""Longest wait for the apology."""

KEPT_BYTES = 10_000 * BYTES_PER_MS
"""So much of the caller waits for the session at most."""

RESAMPLER_MS = 3
"""What a resampler's flush adds to an item's length; audio that comes after its own end is flushed once more."""


TRUNCATED_MS = 1000
"""By then what was cut is truncated: the echo is waited for 700 ms."""

SECRET_DIGITS = 4
"""Fewer stand in other numbers by chance."""

_HARMLESS = frozenset({CallerAudio, MarkEchoed, AppendAudio, SendMark})
"""What happens 50 times a second and says nothing of what must never happen."""


class Break(msgspec.Struct, frozen=True):
    """One invariant that did not hold."""

    rule: Rule
    at_ms: int
    what: str

    def __str__(self) -> str:
        return f"{self.at_ms} ms: {self.what}"


class Truncation(msgspec.Struct, frozen=True):
    """One `conversation.item.truncate`, beside the truth."""

    item_id: str
    told_ms: int
    basis: str
    """Of the cut; `unplayed` when nothing of the item was in the stretch that was cut."""
    at_ms: int
    clears: int = 0
    """How many clears had been ordered by then."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """How far a judgement may be off in this call, in ms; what the carrier and the network do decides it."""

    by_basis: Mapping[str, int] = {}
    """Told minus truly played, either way; a basis that is not named is not judged. Besides those of truncations:
    `whole`, of an item that was heard to its end, and `end`, of one in the air when the call ended."""
    silence_ms: int = LONGEST_MS
    """Longest dead air."""
    echo_ms: int = 0
    """Longest way of audio to the carrier and of its mark back: so long it may count as being played."""


class _Item(msgspec.Struct):
    """One item of the model."""

    response_id: str
    sent_ms: int = 0
    played: int = 0
    """Bytes ordered to be played."""
    done: bool = False
    """The model has said that no more audio of it comes."""
    cut: bool = False
    cut_ms: int = 0
    """When it was cut, if it was."""
    lost_ms: int | None = None
    """When its session was lost, if it was."""


class Invariants:
    """Watches one call. `broken` stays empty in a right one."""

    def __init__(self, setup: CallSetup, carrier: Carrier, bounds: Bounds | None = None) -> None:
        self.broken: list[Break] = []
        self.truncations: list[Truncation] = []
        self._measured: dict[str, str] = {}
        """By what the last cut of an item was measured."""
        self._clears = 0
        self._said: list[tuple[int, AgentSaid]] = []
        self._bounds = bounds or Bounds()
        self._tail_ms = RESAMPLER_MS if setup.model.audio == "pcm24k" else 0
        self._carrier = carrier
        wish = setup.agent.on_machine if setup.outbound and setup.resumed is None else None
        held = wish is not None and wish.do != "continue"
        self._who_answered = WhoAnswered(setup)
        self._dead_air = DeadAir(setup, carrier, self._bounds.silence_ms, held=held)
        self._lost_session = LostSession(setup)
        self._tools = AnsweredTools(setup.agent)
        self._agents = {agent.name: agent for agent in (*setup.others, setup.agent)}
        self._follow(setup.agent)
        self._time_limit = TimeLimit(setup)
        self._media_items: list[str] = []
        """The item of each media message sent, in order; empty for speech of our own."""
        self._items: dict[str, _Item] = {}
        self._cancelled: set[str] = set()
        self._begun: set[str] = set()
        """Responses of which something was played: what follows goes on with them, even after a pause."""
        protects = held or setup.agent.barge_in.protect_greeting
        opens = setup.agent.greeting is not None and setup.resumed is None
        self._protected_requests = ("greeting", "goodbye") if held else ("greeting",) if protects else ()
        self._protected_response = ""
        self._made = ""
        """The response that is being made."""
        self._overhears: bool = self._overhears or protects or opens
        self._caller_waits = True
        """The model has not been given any of the caller yet."""
        self._kept = 0
        """Bytes of the caller that wait."""
        self._caller_speaks = False
        self._playing_until_ms = 0
        self._secrets: set[str] = set()
        self._settled_ms: int | None = None
        """When a colleague decided."""
        self._closing_ms: int | None = None
        """When the line was given up."""
        self._gone_ms: int | None = None
        """When the model was given up, or the line: from then on no function call is answered."""
        self._now_ms = 0
        self._ended = False

    def _follow(self, agent: Agent) -> None:
        self._overhears = agent.barge_in.after_ms > 0
        """Not every sound of the caller cuts."""

    @property
    def tools_running(self) -> bool:
        """Whether a function call waits for its answer."""
        return self._tools.running

    def line_died(self) -> None:
        """Say that nothing reaches the caller any more."""
        self._dead_air.stop()
        self._close()

    def watch(self, now_ms: int, event: CallEvent, commands: Sequence[CallCommand]) -> None:
        """Look at one step."""
        self._now_ms = now_ms
        if type(event) is MarkEchoed and not commands:
            self._dead_air.hear(now_ms)  # for nobody else has anything happened
            return
        passed_on = type(event) is CallerAudio and len(commands) == 1 and type(commands[0]) is AppendAudio
        if passed_on and not (self._caller_waits or self._ended):
            if wrong := self._dead_air.wait(now_ms):
                self._break("dead air", wrong)
            return
        if self._who_answered.held and (wrong := self._who_answered.watch(now_ms, event, commands)):
            self._break("machine", wrong)
        if wrong := self._dead_air.watch(now_ms, event, commands):
            self._break("dead air", wrong)
        if wrong := self._lost_session.watch(event, commands):
            self._break("lost", wrong)
        if self._caller_waits:
            self._look_at_caller(event, commands)
        if type(event) not in _HARMLESS:
            self._look_in(event)
        basis = "unplayed"
        for command in commands:
            if self._ended:
                self._break("outlives", f"{command} after the end of the call")
            if type(command) in _HARMLESS:
                continue
            match command:
                case PlayAudio():
                    self._look_at_sound(self._item_of(event), len(command.audio))
                case Interrupted():
                    basis = self._measured[command.item_id] = command.basis
                case TruncateItem():
                    self._look_at_truncation(command, basis)
                case _:
                    self._look_at(event, command)

    def played_ms(self, item_id: str) -> int:
        """How much of an item the caller has heard, in truth."""
        return self._heard().get(item_id, 0) // BYTES_PER_MS

    def errors(self) -> list[tuple[Truncation, int]]:
        """Give every truncation with what it told minus what was truly played, in ms."""
        heard = self._heard() if self.truncations else {}
        return [(cut, cut.told_ms - heard.get(cut.item_id, 0) // BYTES_PER_MS) for cut in self.truncations]

    def finish(self) -> list[str]:
        """Look at the whole, after the call; give all that was broken."""
        if not self._ended:
            self._break("outlives", "the call never ended")
        over_ms = self._now_ms if self._gone_ms is None else self._gone_ms
        for wrong in self._tools.finish(over_ms):
            self._break("tool", wrong)
        for cut, error in self.errors():
            if cut.clears > len(self._carrier.clears_ms):
                continue  # The caller had gone before the clear came: nobody knew, and nobody hears what follows.
            if abs(error) > self._bounds.by_basis.get(cut.basis, abs(error)):
                what = f"{cut.item_id} was truncated at {cut.told_ms} ms, {error:+} ms from the truth (by {cut.basis})"
                self.broken.append(Break("credit", cut.at_ms, what))
        if wrong := self._lost_session.finish():
            self._break("lost", wrong)
        self._look_at_transcript()
        return [str(found) for found in self.broken]

    def _look_at_transcript(self) -> None:
        heard, cut = self._heard(), {truncation.item_id for truncation in self.truncations}
        for item_id, item in self._items.items():
            unheard_ms = item.sent_ms - heard.get(item_id, 0) // BYTES_PER_MS
            ends = (self._now_ms, self._gone_ms, item.lost_ms)
            lasted_ms = min(end for end in ends if end is not None) - item.cut_ms
            forgotten = item.cut and item_id not in cut and lasted_ms > TRUNCATED_MS
            if forgotten and unheard_ms > self._bound("whole", item_id, unheard_ms):
                what = f"{item_id} was cut {unheard_ms} ms before its end, and the model never told"
                self.broken.append(Break("credit", item.cut_ms, what))
        for at_ms, said in self._said:
            if said.item_id in cut:
                continue
            # What was in the air when the call ended is known by the clock alone, also where it reaches the item's end.
            ended = self._closing_ms is not None and at_ms >= self._closing_ms
            basis = "end" if said.interrupted or ended else "whole"
            error = said.heard_ms - heard.get(said.item_id, 0) // BYTES_PER_MS
            if abs(error) > self._bound(basis, said.item_id, abs(error)):
                what = f"{said.item_id} counts as heard for {said.heard_ms} ms, {error:+} ms from the truth ({basis})"
                self.broken.append(Break("credit", at_ms, what))

    def _bound(self, basis: str, item_id: str, unjudged_ms: int) -> int:
        """Say how far the books of an item may be off."""
        by_basis = self._bounds.by_basis
        bound_ms = by_basis.get(basis, unjudged_ms)
        if basis == "whole" and item_id in self._measured:
            # It was cut so near its end that it counts as whole: what measured that cut is in it.
            bound_ms += by_basis.get(self._measured[item_id], 0) - by_basis.get("mark", 0)
        return bound_ms

    def blame(self, rule: Rule, at_ms: int, what: str) -> None:
        """Add what whoever runs the call has seen."""
        self.broken.append(Break(rule, at_ms, what))

    def _heard(self) -> dict[str, int]:
        """How many bytes of each item were played; audio on its way to the carrier was not."""
        now = self._carrier.now_ms * BYTES_PER_MS
        heard: dict[str, int] = {}
        for stretch, item_id in zip(self._carrier.queued, self._media_items, strict=False):
            heard[item_id] = heard.get(item_id, 0) + stretch.played(now)
        return heard

    def _look_in(self, event: CallEvent) -> None:
        match event:
            case ModelAudio():
                item = self._items.get(event.item_id)
                if item is None:
                    item = self._items[event.item_id] = _Item(event.response_id)
                item.sent_ms = event.sent_ms
                item.done = item.done or event.done
            case StreamStarted() | EndRequested():
                self._time_limit.watch(self._now_ms, event)
            case ResponseCreated():
                self._made = event.response_id
                if (event.request or "").startswith(self._protected_requests):
                    self._protected_response = event.response_id
            case ResponseDone():
                self._made = "" if event.response_id == self._made else self._made
                if event.status == "completed":
                    self._look_at_tails(event.response_id)
            case SpeechStarted():
                self._caller_speaks = True
            case TurnCommitted():
                self._caller_speaks = False
            case ToolRequested() | McpApprovalAsked():
                self._tools.ask(self._now_ms, event)
            case ModelError():
                if "already shorter" in event.message:
                    self._break("beyond", f"a truncation was refused: {event.code}: {event.message}")

    def _look_at(self, event: CallEvent, command: CallCommand) -> None:
        match command:
            case ClearPlayback():
                self._cut_items()
            case CancelResponse():
                self._cancelled.add(command.response_id)
            case AddToolOutput() | AnswerMcpApproval() | ToolStarted() | ToolAnswered():
                self._look_at_use(command)
            case SettleTransfer():
                self._settled_ms = self._now_ms
            case KeepDigits() | AddUserText():
                self._look_for_secrets(command)
            case CreateResponse():
                self._look_at_request(event, command.request)
            case ConnectModel():
                self._lose_session()
            case HangUp() | ClosePhone():
                if isinstance(event, TimerFired) and self._closing_ms is None:
                    self._look_at_goodbye()
                self._close()
            case Note():
                self._look_at_note(command.what)
            case HandedOver():
                self._hand_over(self._agents[command.agent])
            case SetTurnFlags():
                self._overhears = not command.interrupt_response
            case AgentSaid():
                self._said.append((self._now_ms, command))
            case CallEnded():
                self._close()
                self._ended = True

    def _hand_over(self, agent: Agent) -> None:
        self._time_limit.hand_over(self._now_ms, agent)
        self._tools.hand_over(self._now_ms, agent)
        self._follow(agent)

    def _lose_session(self) -> None:
        if not self._caller_waits:
            self._caller_waits, self._kept = True, 0
        self._caller_speaks, self._made = False, ""
        for item in self._items.values():
            item.lost_ms = self._now_ms if item.lost_ms is None else item.lost_ms

    def _look_at_note(self, what: str) -> None:
        match what:
            case "the server did not commit the caller's turn":
                self._caller_speaks = False
            case _ if what == BY_KEY:
                self._caller_speaks = False  # but for a voice behind the key, which counts when it has lasted
            case "the goodbye took too long" | "the colleague does not wait any longer for what is being said":
                self._close()
            case "the model is gone":
                self._lose_model()

    def _look_at_caller(self, event: CallEvent, commands: Sequence[CallCommand]) -> None:
        if isinstance(event, CallerAudio):
            self._kept += len(event.audio)
        given = sum(len(command.audio) for command in commands if isinstance(command, AppendAudio))
        if given:
            self._caller_waits = False
            lost = min(self._kept, KEPT_BYTES) - given
            if lost > 0:
                self._break("unheard", f"{lost // BYTES_PER_MS} ms of the caller were lost before a session was ready")

    def _look_at_request(self, event: CallEvent, request: str) -> None:
        if self._caller_speaks:
            self._break("over caller", "a response was asked for while the caller speaks")
        if self._made:
            self._break("over another", f"a response was asked for while {self._made} is being made")
        unheard_ms = self._carrier.agent.end // BYTES_PER_MS - self._carrier.now_ms
        # A question that failed in the middle is asked once more, behind what has come of it; one that was lost with
        # its session, behind the sign of life.
        failed = isinstance(event, ResponseDone) and event.status in {"failed", "incomplete"}
        once_more = failed or isinstance(event, SessionUpdated)
        # On a dead line nobody hears anything, and its time stands still.
        if request.startswith("idle") and unheard_ms > 0 and self._closing_ms is None and not once_more:
            self._break("over itself", f"it asks who is there {unheard_ms} ms before it has finished itself")

    def _cut_items(self) -> None:
        self._clears += 1
        for item in self._items.values():
            if item.played and not item.cut:
                item.cut, item.cut_ms = True, self._now_ms
        self._playing_until_ms = self._now_ms

    def _item_of(self, event: CallEvent) -> str:
        """Say whose the sound is that follows an event; empty: a clip's of ours."""
        if type(event) is ModelAudio:
            return event.item_id
        # Behind the kept greeting, a model that is gone already has an apology.
        return KEPT_ITEM if type(event) is StreamStarted and not self._media_items else ""

    def _look_at_sound(self, item_id: str, length: int) -> None:
        self._media_items.append(item_id)
        item = self._items.get(item_id)
        if item is not None and item.cut:
            self._break("cut", f"audio of {item_id} was sent after clear")
        # Where echoes are lost, audio counts as being played for longer. Where not every sound cuts, what follows at
        # once on what is heard goes on with it, and what is heard is known by its echo, a round trip late.
        slack_ms = self._bounds.silence_ms - LONGEST_MS + (self._bounds.echo_ms if self._overhears else 0)
        if self._caller_speaks and self._playing_until_ms + slack_ms <= self._now_ms:
            self._look_at_beginning(item_id, item)
        if item is not None:
            item.played += length
            self._begun.add(item.response_id)
        if self._now_ms > self._playing_until_ms:
            self._playing_until_ms = self._now_ms
        self._playing_until_ms += length // BYTES_PER_MS

    def _look_at_beginning(self, item_id: str, item: _Item | None) -> None:
        ours = item is None and self._gone_ms is None
        if ours and not self._tools.pressing and self._settled_ms != self._now_ms:
            self._break("over caller", "a clip of ours began to play while the caller speaks")
        elif item is not None and item.response_id not in {self._protected_response, *self._begun}:
            self._break("over caller", f"{item_id} began to play while the caller speaks")

    def _look_at_truncation(self, order: TruncateItem, basis: str) -> None:
        self.truncations.append(Truncation(order.item_id, order.audio_end_ms, basis, self._now_ms, self._clears))
        item = self._items.get(order.item_id)
        sent_ms = 0 if item is None else item.sent_ms
        if order.audio_end_ms > sent_ms:
            self._break("beyond", f"{order.item_id} was truncated at {order.audio_end_ms} of {sent_ms} ms")
        elif item is not None and item.done and order.audio_end_ms == sent_ms:
            self._break("beyond", f"{order.item_id} was truncated though all of it was heard")

    def _look_at_tails(self, response_id: str) -> None:
        if response_id in self._cancelled or self._closing_ms is not None:
            return
        for item_id, item in self._items.items():
            played_ms = item.played // BYTES_PER_MS
            whole = self._tail_ms - 1 <= played_ms - item.sent_ms <= 2 * RESAMPLER_MS + 1
            if item.response_id == response_id and item.played and not item.cut and not whole:
                self._break("tail", f"only {played_ms} of {item.sent_ms} ms of {item_id} were played")

    def _look_at_use(self, command: AddToolOutput | AnswerMcpApproval | ToolStarted | ToolAnswered) -> None:
        if wrong := self._tools.watch(self._now_ms, command, lost=self._lost_session.lost):
            self._break("tool", wrong)
        if isinstance(command, AddToolOutput) and not command.event_id.startswith("history"):
            self._look_for_secrets(command)

    def _look_for_secrets(self, command: KeepDigits | AddToolOutput | AddUserText) -> None:
        if isinstance(command, KeepDigits):
            self._secrets.add(command.digits)
            return
        told = command.output if isinstance(command, AddToolOutput) else command.text.replace(" ", "")
        if any(len(secret) >= SECRET_DIGITS and secret in told for secret in self._secrets):
            self._break("secret", f"what was typed in secret is told: {told}")

    def _look_at_goodbye(self) -> None:
        if self._time_limit.is_over(self._now_ms):
            return  # whoever speaks
        if self._gone_ms is not None and self._now_ms - self._gone_ms >= APOLOGY_MS:
            return  # nobody waits for ever for an apology behind all that a model had said
        carrier = self._carrier
        unheard_ms = carrier.agent.end // BYTES_PER_MS - carrier.now_ms
        if unheard_ms > 0:
            self._break("goodbye", f"hung up {unheard_ms} ms before the last words were heard")
        elif len(self._media_items) > len(carrier.queued) and carrier.deadline() is not None:
            self._break("goodbye", "hung up before the last words had reached the carrier")

    def _lose_model(self) -> None:
        if self._gone_ms is None:
            self._gone_ms = self._now_ms

    def _close(self) -> None:
        self._lose_model()
        self._closing_ms = self._now_ms if self._closing_ms is None else self._closing_ms

    def _break(self, rule: Rule, what: str) -> None:
        self.broken.append(Break(rule, self._now_ms, what))
