"""A call: events go in, commands come out, time is an argument.

`Call` owns no rule of its own. It routes each event, and each fact that a part concludes from it, to the parts that
name it, in a fixed order, and gives back their commands in order:

    caller_audio   gaps, padding, the wait for the session        playback   what was heard; cuts and truncations
    model_link     connected, set up, lost, opened anew, gone     turns      barge-in; who may speak
    greeting, idle, tool_calls, mcp_calls                         ending     how a call ends
    keys, collect_digits, handoff                                 transcript the words, as heard
    stalled_session  what a session owes and does not give        sign_of_life   no dead air
    renewal        a session that grows old is exchanged
    warm_transfer  a colleague is asked while the caller holds    colleague  the call in which they are asked
    send_digits    the agent's keys, as tones                     carrier_keys   the carrier presses them
    answering_machine  who answered a call of ours
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast

from voice_agent.agent import Agent
from voice_agent.call.answering_machine import AnsweringMachine
from voice_agent.call.caller_audio import CallerAudioPart
from voice_agent.call.carrier_keys import CarrierKeys
from voice_agent.call.colleague import Colleague, asks_colleague
from voice_agent.call.collect_digits import CollectDigits
from voice_agent.call.commands import (
    AddAgentText,
    AddSystemText,
    AddToolCall,
    AddToolOutput,
    AddUserText,
    AnswerMcpApproval,
    AppendAudio,
    CallCommand,
    CallEnded,
    CancelResponse,
    Command,
    CreateResponse,
    HandedOver,
    KeysPressed,
    PlayAudio,
    SendMark,
    SetTurnFlags,
    ToolAnswered,
    ToolStarted,
    TruncateItem,
)
from voice_agent.call.conversation import Conversation, Resumption
from voice_agent.call.ending import Ending
from voice_agent.call.events import CallEvent, Event
from voice_agent.call.facts import Fact, HistoryWanted, SessionLost, SessionReady
from voice_agent.call.greeting import Greeting
from voice_agent.call.handoff import HandoffPart
from voice_agent.call.idle import Idle
from voice_agent.call.keys import Keys
from voice_agent.call.mcp_calls import McpCalls
from voice_agent.call.model_link import ModelLink
from voice_agent.call.part import Part
from voice_agent.call.playback import Playback
from voice_agent.call.renewal import Renewal
from voice_agent.call.send_digits import SendDigits
from voice_agent.call.setup import CallSetup
from voice_agent.call.sign_of_life import SignOfLife
from voice_agent.call.stalled_session import StalledSession
from voice_agent.call.states import Phase
from voice_agent.call.tool_calls import ToolCalls
from voice_agent.call.transcript import Transcript
from voice_agent.call.turns import Turns
from voice_agent.call.voice_length import VoiceLength
from voice_agent.call.warm_transfer import WarmTransfer

_NOTED = (ToolStarted, ToolAnswered, KeysPressed, HandedOver)

_FOR_SESSION = (
    SetTurnFlags,
    CreateResponse,
    CancelResponse,
    TruncateItem,
    AddUserText,
    AddAgentText,
    AddSystemText,
    AddToolCall,
    AddToolOutput,
    AnswerMcpApproval,
)
"""What a session that is lost cannot be told. The next one learns what matters of it from the history."""

_Route = tuple[Part, Callable[[int, Event | Fact], Iterable[Command | Fact | Event]], Callable[[], int | None]]
"""A part, with what is called of it 50 times a second."""


class Call:
    """One call. Call `start` once, then `feed` for every event; after each, look at `deadline`."""

    def __init__(self, setup: CallSetup, clips: Mapping[str, bytes]) -> None:
        """`clips`: packaged speech by name (`apology`, `moment`, `withheld`), mu-law 8 kHz; any may be missing."""
        agent = setup.agent
        agents = (agent, *setup.others)
        clips, apologies = _with_last_words(agents, clips)
        lengths = any(each.barge_in.after_ms for each in agents)
        self._setup = setup
        self._agent = agent.name
        self._now_ms = 0
        wish = agent.on_machine if setup.outbound and setup.resumed is None else None
        machine = None if wish is None else AnsweringMachine(agent, wish)
        held = machine is not None and machine.holds
        greets = agent.greeting is not None and setup.resumed is None
        turns = Turns(agent, can_excuse="withheld" in clips, held=held, greets=greets)
        self._link = ModelLink([model.name for model in setup.models], resumed=setup.resumed is not None)
        resumed = setup.resumed or Resumption(Conversation(agent.name))
        self._ending = Ending(agent, rest=setup.rest, apologies=apologies, left_ms=resumed.left_ms)
        self._tools = ToolCalls(agent, resumed.transfers)
        self._transcript = Transcript(setup.resumed)
        asked = asks_colleague(agent)
        warm = any(tool.transfer is not None and tool.transfer.warm for each in agents for tool in each.tools)
        by_carrier = any(tool.keys is not None and tool.keys.by == "call" for each in agents for tool in each.tools)
        # The order matters where parts see the same event: what was heard is settled before who speaks next,
        # and the end of the call comes last.
        self._parts: tuple[Part, ...] = (
            CallerAudioPart(agent.turn_detection),
            Playback(clips),
            *((McpCalls(agent),) if any(each.mcp for each in agents) else ()),
            self._tools,
            self._link,
            *(
                (Colleague(agent, can_sign="moment" in clips),)
                if asked
                else (CollectDigits(agent, setup.resumed), Keys())
            ),
            *((WarmTransfer(agent, rest=setup.rest, clip=_hold_clip(clips)),) if warm else ()),
            SendDigits(agent),
            *((CarrierKeys(agent, resumed.pressed),) if by_carrier else ()),
            Greeting(agent, setup.kept_greeting, setup.resumed),
            turns,
            StalledSession(agent),
            Renewal(setup.renew_ms),
            # Behind `turns`: the rules that another agent brings are the last word.
            *((HandoffPart(agent, setup.others),) if any(tool.handoff for tool in agent.tools) else ()),
            *((VoiceLength(agent.barge_in.after_ms),) if lengths else ()),
            Idle(agent, held=held),
            SignOfLife(can_sign="moment" in clips, wanted=agent.hold_sound, resumed=setup.resumed is not None),
            self._ending,
            *(() if machine is None else (machine,)),
            self._transcript,
        )
        self._routes: dict[type[Event | Fact], list[_Route]] = {}
        for part in self._parts:
            for kind in part.HANDLES:
                self._routes.setdefault(kind, []).append((part, part.feed, part.deadline))
        self._deadlines: dict[Part, int] = {}
        """When each part that waits for something wants a `TimerFired`; only what was fed can have changed it."""
        for part in self._parts:
            self._note_deadline(part)
        self._ended: CallEnded | None = None
        self._session_lost = True
        """There is no session that could be told anything."""

    @property
    def phase(self) -> Phase:
        """Where the call stands."""
        return self._ending.phase

    def conversation(self) -> Conversation:
        """What was said so far, as heard, with what the call was resumed from; see `CallSetup.resumed`."""
        return Conversation(self._agent, tuple(self._transcript.turns))

    def resumption(self) -> Resumption:
        """What another stream or session of this call would go on from now; it does not say why."""
        former, ended = self._setup.resumed, self._ended
        destination = None if ended is None else ended.destination
        # A colleague who waits in a conference was asked, and so is counted already.
        leaves = destination is not None and not destination.conference
        return Resumption(
            self.conversation(),
            left_ms=self._ending.left_ms(self._now_ms),
            transfers=self._tools.transfers + leaves,
            pressed=(0 if former is None else former.pressed) + (ended is not None and ended.keys is not None),
        )

    def start(self) -> list[CallCommand]:
        """Begin at 0 ms: the model is connected now, or when the stream starts."""
        commands = cast("list[CallCommand]", list(self._link.connect(0))) if self._setup.preconnect else []
        self._note_deadline(self._link)
        return commands

    def feed(self, now_ms: int, event: CallEvent) -> list[CallCommand]:
        """Take one event at `now_ms`, whole milliseconds since the call began, and give the commands in order.

        After `CallEnded`, which comes once and last, nothing comes out any more.
        """
        if now_ms < self._now_ms:
            raise AssertionError(f"time runs backwards: {now_ms} after {self._now_ms}")
        self._now_ms = now_ms
        if self._ended is not None:
            return []
        commands: list[CallCommand] = []
        deadlines = self._deadlines
        pending: list[Event | Fact] = [event]
        for current in pending:  # which grows by the facts that are concluded meanwhile
            for part, feed, deadline in self._routes.get(type(current), ()):
                for output in feed(now_ms, current):
                    # What goes out with every frame and every delta: nobody else in the call has to know of it.
                    if type(output) is AppendAudio or type(output) is SendMark or type(output) is PlayAudio:
                        commands.append(output)
                    elif isinstance(output, Fact | Event):
                        self._follow_session(output)
                        pending.append(output)
                    elif isinstance(output, CallEnded):
                        self._ended = output
                    elif not (self._session_lost and isinstance(output, _FOR_SESSION)):
                        if isinstance(output, _NOTED):
                            self._note(output)
                        commands.append(cast("CallCommand", output))
                due_ms = deadline()
                if due_ms is not None:
                    deadlines[part] = due_ms
                elif part in deadlines:
                    del deadlines[part]
        if self._ended is not None:
            commands.append(self._ended)
        return commands

    def deadline(self) -> int | None:
        """When `TimerFired` must be fed unless something else comes first; `None` when nothing is waited for."""
        if self._ended is not None:
            return None
        return min(self._deadlines.values()) if self._deadlines else None

    def _follow_session(self, said: Fact | Event) -> None:
        """Know whether there is a session, from the moment at which it is said."""
        if isinstance(said, SessionLost):
            self._session_lost = True
        elif isinstance(said, HistoryWanted | SessionReady):
            self._session_lost = False

    def _note_deadline(self, part: Part) -> None:
        due_ms = part.deadline()
        if due_ms is not None:
            self._deadlines[part] = due_ms

    def _note(self, command: ToolStarted | ToolAnswered | KeysPressed | HandedOver) -> None:
        """Keep in the conversation what other parts did with the model's knowledge."""
        match command:
            case ToolStarted():
                self._transcript.note_tool(command.call_id, command.name, command.arguments)
            case ToolAnswered():
                self._transcript.note_answer(command.call_id, command.output)
            case KeysPressed():
                self._transcript.note_keys(command.digits)
            case HandedOver():
                self._agent = command.agent

    def __repr__(self) -> str:
        return f"<Call {self._setup.call_sid} {self.phase} at {self._now_ms} ms: {self._parts}>"


def _with_last_words(
    agents: Sequence[Agent], clips: Mapping[str, bytes]
) -> tuple[Mapping[str, bytes], Mapping[str, str]]:
    """Give the clips with the agents' own apologies, and by agent what its apology is called.

    One whose apology the carrier says has none, unless there is a clip before it.
    """
    clips, apologies = dict(clips), {}
    for agent in agents:
        wanted = agent.last_resort
        if wanted is not None and wanted.clip:
            apologies[agent.name] = name = f"apology of {agent.name}"
            clips[name] = wanted.clip
        elif "apology" in clips and not (wanted is not None and wanted.say):
            apologies[agent.name] = "apology"
    return clips, apologies


def _hold_clip(clips: Mapping[str, bytes]) -> str | None:
    return next((name for name in ("hold", "moment") if name in clips), None)
