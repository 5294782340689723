"""The course of a recorded call, as a picture needs it.

Who spoke when, what was heard and what was not, why an answer came when it came, which tool did what, what broke. All
times are on the carrier's clock, the time axis of the sound. It is made from what was recorded, not from what
today's code would do.
"""

import contextlib
from collections.abc import Iterator, Mapping

import msgspec

from voice_agent.agent import Agent, ServerVad
from voice_agent.call.commands import (
    AgentBegan,
    AgentSaid,
    CallerSaid,
    HandedOver,
    Interrupted,
    Note,
    Report,
    ResponseUsed,
    ToolAnswered,
    ToolStarted,
)
from voice_agent.call.events import Usage
from voice_agent.call.summary import Summary
from voice_agent.call.trouble import LATE, SESSION_LOST, SESSION_NOTES, TOOL_FAILED, TOOL_UNANSWERED, UNHEARD, Trouble
from voice_agent.errors import PeerError
from voice_agent.recording.entries import Entry
from voice_agent.recording.loose import Carrying, LooseStep, LooseText, bare
from voice_agent.recording.reader import Recording
from voice_agent.recording.telling import finished_tool, report_in
from voice_agent.review.findings import Finding, clock, described, late, seconds, session_lost
from voice_agent.review.model_course import ModelCourse
from voice_agent.review.own_sounds import OwnSound, OwnSounds
from voice_agent.review.stream_clock import StreamClock
from voice_agent.review.voiced import Voice, words_heard
from voice_agent.wire import twilio

ANOTHER_SESSION = "the connection to the model was lost, and another is made"

WAITS = {
    "collect_digits": "for the caller's keys",
    "hang_up": "until the goodbye is heard",
    "transfer": "until the last words are heard",
}
"""Kinds of tools that run as long as somebody else takes, and for what."""

KIND_STANDS_BEFORE = 60
"""Characters of a message of the carrier's."""

SILENCE_MS = 1500
"""From so long on it is a silence that somebody notices."""


class Part(msgspec.Struct, frozen=True):
    """What a part of the wait for an answer went by with."""

    what: str
    ms: int


class _Lasting(msgspec.Struct, kw_only=True):
    """Something that lasts."""

    begin_ms: int
    end_ms: int


class Turn(_Lasting, kw_only=True):
    """The caller speaks."""

    item_id: str
    text: str = ""


class Answer(_Lasting, kw_only=True):
    """The agent speaks: one item, as the caller heard it."""

    item_id: str
    text: str
    """What was heard; of an answer that was cut by estimate."""
    unheard: str = ""
    """What the model said besides, and the caller did not hear."""
    heard_ms: int
    total_ms: int
    interrupted: bool
    basis: str = ""
    """How it is known where it was cut."""
    cut_ms: int | None = None
    """When the caller's voice stopped it."""
    response_ms: int = -1
    """From the end of the caller's speech to the first sound; -1: it answers nothing that was said."""
    wait: tuple[Part, ...] = ()
    """Where that time went."""
    agent: str = ""


class ToolRun(_Lasting, kw_only=True):
    """One tool call."""

    name: str
    arguments: str
    output: str = ""
    failed: bool = False
    cause: str = ""
    """Why it failed, for the operator; empty: nobody knows more than the model was told."""
    answered: bool = False
    took_ms: int = 0
    waits: str = ""
    """What it waits for that is no work of its own; empty: nothing."""


class Span(_Lasting, kw_only=True):
    """What has no more to it than what it is."""

    what: str


class Moment(msgspec.Struct, kw_only=True):
    """Something that happened."""

    at_ms: int
    level: str
    """info, warning or error."""
    what: str
    detail: str = ""


class Key(msgspec.Struct, kw_only=True):
    """The caller pressed a key; of a secret one nobody knows which."""

    at_ms: int
    digit: str


class Tokens(msgspec.Struct, kw_only=True):
    """What one response used."""

    at_ms: int
    usage: Usage


class Course(msgspec.Struct, kw_only=True):
    """See the module."""

    length_ms: int = 0
    stream_began_ms: int | None = None
    """On the call's clock, which begins with its webhook; `None`: no stream came."""
    turns: list[Turn] = []
    answers: list[Answer] = []
    own: list[OwnSound] = []
    """What was heard beside answers."""
    tools: list[ToolRun] = []
    findings: list[Finding] = []
    """One for each trouble that the history tells of the call."""
    responses: list[Span] = []
    """When the model was making an answer."""
    keys: list[Key] = []
    silences: list[Span] = []
    moments: list[Moment] = []
    tokens: list[Tokens] = []
    damage: str = ""
    """Why the recording could not be read to its end; empty: it could."""


def course_of(
    recording: Recording, clips: Mapping[str, bytes] | None = None, *, by_voice: bool = False
) -> tuple[Course, Summary]:
    """Tell a recorded call; of a damaged file as far as it can be read.

    `clips`: today's packaged ones, by whose sound those that were played are known. `by_voice`: apportion the words of
    an answer that was cut by its voice, where its sound was kept, which takes twice as long; else by the clock, as the
    history does.
    """
    teller = _Teller(recording, clips or {})
    course = teller.course
    try:
        for step in recording.loose_steps(audio=by_voice and recording.header.audio == "kept"):
            teller.take(step)
    except PeerError as error:
        course.damage = str(error)
    if recording.cut_at is not None:
        course.damage = "the recording is cut short: the call is still going on, or its process died"
    teller.finish()
    return course, teller.summary


class _Teller:
    def __init__(self, recording: Recording, clips: Mapping[str, bytes]) -> None:
        self.course = Course()
        self.summary = Summary()
        self._audio = recording.header.setup.model.audio
        self._clock = StreamClock(self._audio)
        setup = recording.header.setup
        self._agents = {agent.name: agent for agent in (*setup.others, setup.agent)}
        tools = [tool for agent in self._agents.values() for tool in agent.tools]
        self._waits = {tool.name: WAITS[tool.kind] for tool in tools if tool.kind in WAITS}
        self._model = ModelCourse(_silence_ms(setup.agent))
        self._now_ms = 0
        self._began: dict[str, tuple[int, int, AgentBegan]] = {}
        self._cuts: dict[str, tuple[int, Interrupted]] = {}
        self._words: dict[str, str] = {}
        self._tools: dict[str, tuple[int, ToolRun]] = {}
        """Those that run, with their beginning on the call's clock."""
        self._runs: dict[str, ToolRun] = {}
        """All, by their ids; the latest of an id that comes again."""
        self._own = OwnSounds(clips)
        self._trouble: list[tuple[Trouble, int, str]] = []
        """With the carrier's time at which it was found, and the item or tool call it was found in."""
        self._tool_times: list[tuple[int, int, str]] = []
        """Begin and end on the call's clock, and the name."""

    def take(self, step: LooseStep) -> None:
        self._now_ms = step.now_ms
        self.summary.until_ms = max(self.summary.until_ms, step.now_ms)
        self._clock.take(step)
        self._own.take(step, self._clock.ms)
        if step.received is not None:
            self._take_received(step.received)
        for part in step.sent:
            if part.way == "fact":
                self._take_sent(bare(part))

    def _take_sent(self, fact: str) -> None:
        report = report_in(fact)
        if report is None:
            self._model.take_fact(self._at_ms, fact)
        else:
            known = len(self.summary.trouble)
            self.summary.take(self._now_ms, report)
            of = getattr(report, "item_id", "") or getattr(report, "call_id", "")
            self._trouble += [(trouble, self._at_ms, of) for trouble in self.summary.trouble[known:]]
            self._take_report(report)

    @property
    def _at_ms(self) -> int:
        return self._clock.ms(self._now_ms)

    def _take_received(self, received: LooseText) -> None:
        if received.way == "model":
            audio = received.audio if type(received) is Carrying and received.kept else b""
            self._model.take(self._now_ms, self._at_ms, bare(received), self._clock.of_session, audio)
        elif received.way == "fact":
            self._model.take_fact(self._at_ms, bare(received))
            finished = finished_tool(bare(received))
            if finished is not None and finished.call_id in self._runs:
                self._runs[finished.call_id].cause = finished.cause
        elif type(received) is Entry and '"dtmf"' in received.text[:KIND_STANDS_BEFORE]:
            with contextlib.suppress(PeerError):
                message = twilio.parse(received.text)
                if isinstance(message, twilio.Dtmf):
                    self.course.keys.append(Key(at_ms=self._at_ms, digit=message.dtmf.digit))

    def _take_report(self, report: Report) -> None:
        course, at_ms = self.course, self._at_ms
        match report:
            case CallerSaid():
                self._words[report.item_id] = report.text
            case AgentBegan():
                self._began[report.item_id] = (at_ms, self._now_ms, report)
            case Interrupted():
                self._cuts[report.item_id] = (at_ms, report)
            case AgentSaid():
                self._take_answer(report)
            case ToolStarted():
                run = ToolRun(begin_ms=at_ms, end_ms=at_ms, name=report.told, arguments=report.arguments)
                run.waits = self._waits.get(report.name, "")
                self._tools[report.call_id] = (self._now_ms, run)
                self._runs[report.call_id] = run
                course.tools.append(run)
            case ToolAnswered():
                self._take_tool_answer(report)
            case HandedOver():
                self._note(at_ms, "info", "handed over", report.agent)
                if report.agent in self._agents:
                    self._model.silence_ms = _silence_ms(self._agents[report.agent])
            case ResponseUsed():
                course.tokens.append(Tokens(at_ms=at_ms, usage=report.usage))
            case Note(level="warning" | "error"):
                fields = ", ".join(f"{name}: {value}" for name, value in report.fields.items())
                what = ANOTHER_SESSION if report.what in SESSION_NOTES else report.what
                self._note(at_ms, report.level, what, fields)
            case _:
                pass

    def _note(self, at_ms: int, level: str, what: str, detail: str) -> None:
        self.course.moments.append(Moment(at_ms=at_ms, level=level, what=what, detail=detail))

    def _take_tool_answer(self, report: ToolAnswered) -> None:
        if report.call_id in self._tools:
            began_ms, run = self._tools.pop(report.call_id)
        else:
            began_ms, begin_ms = self._now_ms - report.took_ms, max(0, self._at_ms - report.took_ms)
            run = ToolRun(begin_ms=begin_ms, end_ms=0, name=report.call_id, arguments="")
            self.course.tools.append(run)
            self._runs[report.call_id] = run
        run.end_ms, run.output, run.failed, run.took_ms = self._at_ms, report.output, report.failed, report.took_ms
        run.answered = True
        self._tool_times.append((began_ms, self._now_ms, run.name))

    def _take_answer(self, report: AgentSaid) -> None:
        begun = self._began.pop(report.item_id, None)
        at_ms = max(0, self._at_ms - report.heard_ms) if begun is None else begun[0]
        cut = self._cuts.pop(report.item_id, None)
        answer = Answer(
            begin_ms=at_ms,
            end_ms=at_ms + report.heard_ms,
            item_id=report.item_id,
            text=report.text,
            heard_ms=report.heard_ms,
            total_ms=report.total_ms,
            interrupted=report.interrupted,
            agent=report.agent,
        )
        self._apportion(answer)
        if cut is not None:
            answer.cut_ms, answer.basis = cut[0], cut[1].basis
        self._add_answer(answer, begun)

    def _apportion(self, answer: Answer) -> None:
        """Say about which words were heard of an answer that was cut."""
        words, sound = self._model.words(answer.item_id), self._model.taken_sound(answer.item_id)
        if not answer.interrupted:
            return
        if sound and words and answer.heard_ms < answer.total_ms:
            finished = self._model.is_finished(answer.item_id)
            answer.text = words_heard(words, Voice(sound, self._audio), answer.heard_ms, finished=finished)
        answer.unheard = _rest(words, answer.text)

    def _add_answer(self, answer: Answer, begun: tuple[int, int, AgentBegan] | None) -> None:
        if begun is not None and begun[2].response_ms >= 0:
            answer.response_ms = begun[2].response_ms
            answer.wait = self._wait(answer.item_id, begun[1], begun[2].response_ms)
        self.course.answers.append(answer)

    def _add_what_is_in_the_air(self) -> None:
        """Take the answers that play while the recording ends: nobody has told yet what was heard of them."""
        for item_id, begun in self._began.items():
            ms = max(0, self._at_ms - begun[0])
            words = self._model.words(item_id).strip()
            answer = Answer(
                begin_ms=begun[0],
                end_ms=begun[0] + ms,
                item_id=item_id,
                text=words,
                heard_ms=ms,
                total_ms=ms,
                interrupted=False,
            )
            self._add_answer(answer, begun)

    def _wait(self, item_id: str, heard_at_ms: int, response_ms: int) -> tuple[Part, ...]:
        """Say where the time went between the caller's last sound and the agent's first, on the call's clock."""
        from_ms = heard_at_ms - response_ms
        noticed_ms = min(max(from_ms, self._model.noticed(from_ms, heard_at_ms)), heard_at_ms)
        first_ms = min(max(noticed_ms, self._model.first_sound(item_id, heard_at_ms)), heard_at_ms)
        parts = [Part("until the end of speech was noticed", noticed_ms - from_ms)]
        left_ms = first_ms - noticed_ms
        for began_ms, ended_ms, name in self._tool_times:
            ms = min(ended_ms, first_ms) - max(began_ms, noticed_ms)
            if ms > 0:
                parts.append(Part(f"tool {name}", ms))
                left_ms -= ms
        parts.append(Part("until the model's first sound", max(0, left_ms)))
        parts.append(Part("until the caller heard it", heard_at_ms - first_ms))
        return tuple(parts)

    def finish(self) -> None:
        course, model = self.course, self._model
        course.stream_began_ms = self._clock.began_ms
        course.length_ms = end = self._at_ms
        for item_id, begin_ms, end_ms in model.turns():
            turn = Turn(begin_ms=begin_ms, end_ms=end if end_ms is None else end_ms, item_id=item_id)
            turn.text = self._words.get(item_id, "")
            course.turns.append(turn)
        self._add_what_is_in_the_air()
        for _, run in self._tools.values():
            run.end_ms = end  # never answered
        course.responses = [Span(begin_ms=b, end_ms=e, what=status) for b, e, status in model.responses(end)]
        for told in model.moments:
            self._note(*told)
        course.moments.sort(key=lambda moment: moment.at_ms)
        course.answers.sort(key=lambda answer: answer.begin_ms)
        course.own = [own for own in self._own.heard if not any(_covers(answer, own) for answer in course.answers)]
        course.silences = list(_silences(course))
        unanswered = [run for run in course.tools if not run.answered]
        course.findings = [self._finding(*each, unanswered) for each in self._trouble]
        course.findings.sort(key=lambda finding: finding.at_ms)

    def _finding(self, trouble: Trouble, at_ms: int, of: str, unanswered: list[ToolRun]) -> Finding:
        """Tell one trouble; `unanswered`: tools, of which the one that is told is taken."""
        course, text, unheard = self.course, described(trouble), ""
        answer = next((answer for answer in course.answers if answer.item_id == of), None)
        match trouble.kind:
            case kind if kind == LATE and answer is not None:
                at_ms = answer.begin_ms - answer.response_ms
                text = late(at_ms, answer.begin_ms, answer.wait, course.own)
            case kind if kind == UNHEARD and answer is not None:
                at_ms, unheard = answer.end_ms, answer.unheard
                text = f"cut at {clock(at_ms)}, {seconds(trouble.ms)} of it not heard"
            case kind if kind == TOOL_FAILED and of in self._runs:
                run = self._runs[of]
                at_ms, text = run.begin_ms, described(trouble, run.cause or run.output)
            case kind if kind == TOOL_UNANSWERED and unanswered:
                at_ms = unanswered.pop(0).begin_ms
            case kind if kind == SESSION_LOST:
                at_ms, text = session_lost(at_ms, course.answers)
            case _:
                pass
        return Finding(at_ms=at_ms, kind=trouble.kind, text=text, unheard=unheard, item_id=of if unheard else "")


def _silence_ms(agent: Agent) -> int:
    """`audio_end_ms` includes the silence that ended the turn (OpenAI's reference of speech_stopped)."""
    return agent.turn_detection.silence_duration_ms if isinstance(agent.turn_detection, ServerVad) else 0


def _rest(whole: str, heard: str) -> str:
    """Give what of the words was not heard."""
    whole = whole.strip()
    return whole[len(heard) :].strip() if whole.startswith(heard) else ""


def _covers(answer: Answer, own: OwnSound) -> bool:
    """Say whether a sound is an answer that the bridge played by itself, such as a kept greeting."""
    return min(answer.end_ms, own.end_ms) - max(answer.begin_ms, own.begin_ms) > (own.end_ms - own.begin_ms) // 2


def _silences(course: Course) -> Iterator[Span]:
    voices = sorted(
        [(turn.begin_ms, turn.end_ms, "caller") for turn in course.turns]
        + [(answer.begin_ms, answer.end_ms, "agent") for answer in course.answers]
        + [(own.begin_ms, own.end_ms, "own") for own in course.own]
    )
    until_ms, last = 0, ""
    for begin_ms, end_ms, who in [*voices, (course.length_ms, course.length_ms, "")]:
        if begin_ms - until_ms >= SILENCE_MS:
            what = "the caller waits" if last == "caller" and who in {"agent", "own"} else "silence"
            yield Span(begin_ms=until_ms, end_ms=begin_ms, what=what)
        if end_ms >= until_ms:
            until_ms, last = end_ms, last if who == "own" else who
