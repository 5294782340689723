"""One call through the emulated Twilio: what a test or the demo does as its caller, and what became of it.

The carrier's side (webhooks, TwiML, streams, callbacks) runs in the task of `run`; the caller's side are the methods
that a driver calls meanwhile. Times are milliseconds since the call was placed.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from voice_agent.audio.dtmf import keys_in, tones
from voice_agent.emulator.twilio.callee import Callee, Verdict
from voice_agent.emulator.twilio.conference import Conference
from voice_agent.emulator.twilio.customer import Customer, Order, Post
from voice_agent.emulator.twilio.dialling import dial, meet
from voice_agent.emulator.twilio.documents import Address, Document
from voice_agent.emulator.twilio.hearing import Hearing
from voice_agent.emulator.twilio.media_stream import MediaStream, StreamError, open_socket
from voice_agent.emulator.twilio.verbs import run
from voice_agent.emulator.twilio.webhook import WebhookError
from voice_agent.sim.carrier import (
    CallEnded,
    Carrier,
    CarrierCall,
    DebuggerEntry,
    HangUp,
    Input,
    PressKey,
    Speak,
    StopSpeaking,
    Switches,
)
from voice_agent.sim.track import BYTES_PER_MS, SILENCE
from voice_agent.wire.twiml import Connect, Dial

OVER = frozenset({"completed", "busy", "failed", "no-answer", "canceled"})
"""The statuses that a call ends with."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What the calls of an account have in common."""

    account_sid: str
    auth_token: str
    switches: Switches = Switches()
    callees: Callable[[str], Callee] = lambda _: Callee()
    """Who is at a number or a SIP address."""
    conferences: dict[str, list[Conference]] = {}
    """All that ever were, by name."""
    post: Post = Post()

    def room(self, name: str) -> Conference:
        """Give the conference of that name, opened anew if there is none."""
        rooms = self.conferences.setdefault(name, [])
        if not rooms or rooms[-1].ended.is_set():
            rooms.append(Conference())
        return rooms[-1]


class Moment(msgspec.Struct, frozen=True):
    """Something that happened in a call."""

    at_ms: int
    what: str
    """One of a few fixed phrases."""
    detail: str = ""


class HeldStream(msgspec.Struct):
    """One media stream of the call."""

    began_ms: int
    url: str
    carrier: Carrier
    ended: CallEnded | None = None


class EmulatedCall:
    """A call. Made by `EmulatedTwilio.place_call`, which also runs it."""

    def __init__(
        self, terms: Terms, order: Order, tasks: asyncio.TaskGroup, on_moment: Callable[[Moment], None] | None = None
    ) -> None:
        """`tasks` posts the callbacks; `on_moment` sees the timeline as it grows."""
        self.sid = "CA" + secrets.token_hex(16)
        self.order = order
        self.status = "queued"
        """As Twilio names it."""
        self.timeline: list[Moment] = []
        self.debugger: list[DebuggerEntry] = []
        """What Twilio's debugger would show: failed webhooks, refused streams, messages that were not understood."""
        self.streams: list[HeldStream] = []
        self.dialled: list[str] = []
        self.answered_by: str | None = None
        """What the detection of answering machines said last."""
        self.placed_at = datetime.now(UTC)
        self.answered_at: datetime | None = None
        self.ended_at: datetime | None = None
        self._terms = terms
        self.on_moment = on_moment
        self._loop = asyncio.get_running_loop()
        self._placed = self._answered = self._loop.time()
        self._stream: MediaStream | None = None
        self._clears = 0
        identity = {"AccountSid": terms.account_sid, "CallSid": self.sid}
        self._customer = Customer(order, identity, terms.auth_token, tasks, self.fault, post=terms.post)
        self._pressed: list[tuple[int, bytes]] = []
        """The tones of the carrier's keys, each with its time."""
        self._tasks = tasks
        self._person = "the caller" if order.callee is None else "the callee"
        self._leave: HangUp | None = None
        self._left = asyncio.Event()
        self._next: Address | Document | None = None
        self._over = asyncio.Event()
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[bool]]] = []

    # --- the caller --------------------------------------------------------------------------------------------------

    @property
    def hearing(self) -> Hearing | None:
        """What the caller hears of the agent; `None` without a stream."""
        return None if self._stream is None else self._stream.hearing

    def say(self, audio: bytes) -> None:
        """Speak (mu-law 8 kHz), behind what is being said already. Without a stream nobody hears it."""
        self._act(Speak(audio), f"{self._person} speaks", f"{len(audio) // BYTES_PER_MS} ms")

    def stop_speaking(self) -> None:
        """Fall silent in mid-word."""
        self._act(StopSpeaking(), f"{self._person} breaks off")

    def press(self, digit: str) -> None:
        """Press one of 0-9, *, #."""
        self._act(PressKey(digit), f"{self._person} presses", digit)

    def hang_up(self, *, with_stop: bool = True, with_close: bool = True) -> None:
        """Put the receiver down; the stream may end without `stop`, and without a close frame."""
        self._leave_with(HangUp("caller_hung_up", with_stop, with_close), f"{self._person} hangs up")

    async def wait_until(self, condition: Callable[[], bool], within_s: float | None = None) -> bool:
        """Wait for a condition, looked at after everything that happens in the stream, at least once a frame.

        `False`: the call ended first, or the time is up.
        """
        if condition():
            return True
        if self._over.is_set():
            return False
        met: asyncio.Future[bool] = self._loop.create_future()
        entry = (condition, met)
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(within_s):
                return await met
        except TimeoutError:
            return False
        finally:
            if entry in self._waiting:
                self._waiting.remove(entry)

    async def streaming(self, within_s: float | None = None) -> bool:
        """Wait until the agent can be spoken to."""
        return await self.wait_until(lambda: self._stream is not None, within_s)

    async def agent_began(self, within_s: float | None = None) -> bool:
        """Wait until the agent speaks; at once if it does."""
        return await self._heard(lambda hearing: hearing.speaking, within_s)

    async def agent_spoke(self, ms: int, within_s: float | None = None) -> bool:
        """Wait until the agent has been speaking for so long, short pauses included."""
        return await self._heard(lambda hearing: hearing.spoken_ms >= ms, within_s)

    async def agent_silent(self, ms: int, within_s: float | None = None) -> bool:
        """Wait until nothing has been heard for so long."""
        return await self._heard(lambda hearing: hearing.silent_ms >= ms, within_s)

    async def caller_finished(self, within_s: float | None = None) -> bool:
        """Wait until all that was given to `say` has been said."""
        return await self.wait_until(self._said_all, within_s)

    @property
    def over(self) -> bool:
        """The call has ended."""
        return self._over.is_set()

    async def ended(self) -> None:
        """Wait for the end of the call."""
        await self._over.wait()

    async def settled(self) -> None:
        """Wait for the end of the call, and until its callbacks have been told: the customer's server may go then."""
        await self._over.wait()
        await self._customer.settled()

    async def _heard(self, condition: Callable[[Hearing], bool], within_s: float | None) -> bool:
        return await self.wait_until(lambda: self.hearing is not None and condition(self.hearing), within_s)

    def _said_all(self) -> bool:
        carrier = None if self._stream is None else self._stream.carrier
        return carrier is not None and carrier.caller.end <= carrier.now_ms * BYTES_PER_MS

    def _act(self, action: Input, what: str, detail: str = "") -> None:
        if self._stream is None:
            self.note("nobody hears", what)
            return
        self.note(what, detail)
        self._stream.feed(action)

    # --- the REST API ------------------------------------------------------------------------------------------------

    def end_by_rest(self) -> None:
        """End the call as `Status=completed` does, or cancel it while it rings."""
        self._leave_with(HangUp("ended_by_rest"), "ended by REST")

    def redirect(self, following: Address | Document) -> None:
        """Give the call other TwiML, as `Url` or `Twiml` do."""
        self._next = following
        self._leave_with(HangUp("redirected"), "redirected by REST")

    def _leave_with(self, leave: HangUp, what: str) -> None:
        if self.status in OVER or (self._leave is not None and self._leave.reason != "redirected"):
            return
        self.note(what)
        self._leave = leave
        self._left.set()
        if self._stream is not None:
            self._stream.feed(leave)

    # --- the results -------------------------------------------------------------------------------------------------

    @property
    def held(self) -> bool:
        """A media stream was open."""
        return bool(self.streams)

    @property
    def warnings(self) -> list[DebuggerEntry]:
        """The debugger's entries of the call and of all its streams."""
        found = list(self.debugger)
        for stream in self.streams:
            found += [
                DebuggerEntry(stream.began_ms + entry.at_ms, entry.code, entry.problem)
                for entry in stream.carrier.warnings
            ]
        return found

    @property
    def keys_heard(self) -> str:
        """The keys that the agent has pressed, or had pressed by the carrier, as a receiver here reads their tones."""
        return "".join(found.key for found in keys_in(self.agent_track))

    @property
    def caller_track(self) -> bytes:
        """What the caller said; mu-law, begins with the first stream, or with keys that were pressed before it."""
        return self._track(lambda carrier: carrier.caller_track)

    @property
    def agent_track(self) -> bytes:
        """What the caller heard of the agent, and keys that the carrier pressed; aligned with `caller_track`."""
        return self._track(lambda carrier: carrier.agent_track, self._pressed)

    def _track(self, of: Callable[[Carrier], bytes], pressed: Sequence[tuple[int, bytes]] = ()) -> bytes:
        """Put sounds one behind the other. While keys are pressed there is no stream."""
        streams = [(stream.began_ms, of(stream.carrier)) for stream in self.streams]
        times = [(at_ms, at_ms + len(part) // BYTES_PER_MS) for at_ms, part in (*self._pressed, *streams)]
        began_ms = min((at_ms for at_ms, _ in times), default=0)
        sound = bytearray(SILENCE) * (max((to_ms - began_ms for _, to_ms in times), default=0) * BYTES_PER_MS)
        for at_ms, part in (*streams, *pressed):
            start = (at_ms - began_ms) * BYTES_PER_MS
            sound[start : start + len(part)] = part
        return bytes(sound)

    # --- the carrier -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Hold the call from the webhook to its end; once."""
        try:
            final = await self._live()
            self.ended_at = datetime.now(UTC)
            self._proceed(final, "completed")
        finally:
            self._over.set()
            self._step()

    async def _live(self) -> str:
        """Ring, answer with the first TwiML, run it; gives the final status."""
        self._proceed("initiated")
        self._proceed("ringing")
        if self.order.callee is not None:
            return await self._call_out(self.order.callee)
        first = self.order.first
        try:
            document = first if isinstance(first, Document) else await self.request(first, {})
        except WebhookError:
            return "failed"
        if self.leaving:
            return "canceled"
        self._answer()
        await run(self, document)
        return "completed"

    async def _call_out(self, callee: Callee) -> str:
        """Ring somebody; TwiML is asked for when they have answered."""
        await self.pause(min(callee.rings_ms / 1000, self.order.timeout_s))
        if self.leaving:
            return "canceled"
        if callee.becomes != "answers":
            return callee.becomes
        if callee.rings_ms > self.order.timeout_s * 1000:
            return "no-answer"
        self._answer()
        self._tasks.create_task(self._attend(callee))
        fields = await self._detect(callee)
        first = self.order.first
        try:
            document = first if isinstance(first, Document) else await self.request(first, fields)
        except WebhookError:
            return "completed"
        await run(self, document)
        return "completed"

    def _answer(self) -> None:
        self.answered_at = datetime.now(UTC)
        self._answered = self._loop.time()
        self._proceed("in-progress", "answered")

    async def _attend(self, callee: Callee) -> None:
        """Let the callee do what they do, from the first stream on."""
        if not await self.streaming():
            return
        gone_ms = int((self._loop.time() - self._answered) * 1000)
        if rest := callee.sound[gone_ms * BYTES_PER_MS :]:
            self.say(rest)
        if callee.acts is not None:
            await callee.acts(self)
        elif callee.is_a == "machine":
            await self.wait_until(lambda: False, (len(rest) // BYTES_PER_MS + callee.records_ms) / 1000)
            self.hang_up()

    async def _detect(self, callee: Callee) -> dict[str, str]:
        """Begin to find out who has answered; gives what the first request tells of it, waiting where it must."""
        detection = self.order.detection
        if detection is None:
            return {}
        found = callee.verdict(detection)
        if detection.callback:
            self._tasks.create_task(self._tell_verdicts(found, detection.callback, to_the_end=bool(callee.verdicts)))
            return {}
        await self.pause(found[0].at_ms / 1000)
        self.answered_by = found[0].answered_by
        return {"AnsweredBy": found[0].answered_by, "MachineDetectionDuration": str(found[0].at_ms)}

    async def _tell_verdicts(self, verdicts: tuple[Verdict, ...], url: str, *, to_the_end: bool) -> None:
        """Tell what the detection says when it says it; a call that is over has nothing to be detected."""
        for verdict in verdicts:
            due_s = self._answered + verdict.at_ms / 1000 - self._loop.time()
            if to_the_end:
                await asyncio.sleep(due_s)
            elif await self.wait_until(lambda: self.over, due_s):
                return
            self.answered_by = verdict.answered_by
            self.note("the detection says", verdict.answered_by)
            self._customer.tell_detection(url, verdict.answered_by, verdict.at_ms)

    @property
    def leaving(self) -> bool:
        """See `verbs.Line`."""
        return self._left.is_set()

    def take_next(self) -> Address | Document | None:
        """See `verbs.Line`."""
        if self._leave is None or self._leave.reason != "redirected":
            return None
        following, self._next, self._leave = self._next, None, None
        self._left.clear()
        return following

    def note(self, what: str, detail: str = "") -> None:
        """See `verbs.Line`."""
        self._note_at(self._now_ms(), what, detail)

    def fault(self, code: int, problem: str) -> None:
        """See `verbs.Line`."""
        self.debugger.append(DebuggerEntry(self._now_ms(), code, problem))
        self.note("error", f"{code}: {problem}")

    async def pause(self, seconds: float) -> None:
        """See `verbs.Line`."""
        try:
            async with asyncio.timeout(seconds):
                await self._left.wait()
        except TimeoutError:
            return

    async def dial(self, verb: Dial) -> Mapping[str, str]:
        """See `verbs.Line`."""
        self.dialled.append(verb.address)
        if verb.conference:
            return await meet(self, self.sid, verb, self._terms.room(verb.conference))
        return await dial(self, verb, self._terms.callees(verb.address))

    async def play_keys(self, digits: str) -> None:
        """See `verbs.Line`."""
        self.note("the carrier plays", digits)
        sound = tones(digits)
        self._pressed.append((self._now_ms(), sound))
        await self.pause(len(sound) / BYTES_PER_MS / 1000)
        self._step()

    async def left(self) -> None:
        """See `verbs.Line`."""
        await self._left.wait()

    async def request(self, address: Address, fields: Mapping[str, str]) -> Document:
        """See `verbs.Line`."""
        self.note("webhook", address.url)
        return await self._customer.ask(address, self.status, fields)

    async def stream(self, verb: Connect, document: Document) -> tuple[CallEnded | None, str]:
        """See `verbs.Line`."""
        stream_sid = "MZ" + secrets.token_hex(16)
        about = {"StreamSid": stream_sid, "StreamName": verb.name or stream_sid}
        callback = document.address(verb.status_callback).url if verb.status_callback else ""
        try:
            socket = await open_socket(verb.url, self._terms.auth_token)
        except StreamError as error:
            self.fault(error.code, str(error))
            self._customer.tell_stream(callback, about | {"StreamEvent": "stream-error", "StreamError": str(error)})
            return None, stream_sid
        if self.leaving:
            socket.transport.abort()
            return None, stream_sid
        call = CarrierCall(
            call_sid=self.sid,
            stream_sid=stream_sid,
            account_sid=self._terms.account_sid,
            parameters=verb.parameters,
        )
        held = HeldStream(self._now_ms(), verb.url, Carrier(call, self._terms.switches))
        self.streams.append(held)
        self.note("the stream starts", verb.url)
        self._customer.tell_stream(callback, about | {"StreamEvent": "stream-started"})
        try:
            held.ended = await self._hold(held).run(socket)
        finally:
            self._stream = None
        self.note("the stream ends", held.ended.reason)
        self._customer.tell_stream(callback, about | {"StreamEvent": "stream-stopped"})
        return held.ended, stream_sid

    def _hold(self, held: HeldStream) -> MediaStream:
        hearing = Hearing(
            lambda at_ms: self._note_at(held.began_ms + at_ms, "the agent speaks"),
            lambda at_ms: self._note_at(held.began_ms + at_ms, "the agent is silent"),
        )
        self._clears = 0
        self._stream = MediaStream(held.carrier, hearing, self._step)
        return self._stream

    def _step(self) -> None:
        """Something happened: see whom it wakes."""
        if self._stream is not None and len(self._stream.carrier.clears_ms) > self._clears:
            self._clears = len(self._stream.carrier.clears_ms)
            self.note("the agent is cut off")
        for entry in list(self._waiting):
            condition, met = entry
            holds = condition()
            if holds or self._over.is_set():
                self._waiting.remove(entry)
                if not met.done():  # who waited may have been cancelled
                    met.set_result(holds)

    def _proceed(self, status: str, event: str = "") -> None:
        self.status = status
        self.note("status", status)
        duration = {"CallDuration": str(self.duration_s), "Duration": str(-(-self.duration_s // 60))}
        self._customer.tell_status(event or status, status, duration if status in OVER else {})

    @property
    def duration_s(self) -> int:
        """Whole seconds since the call was answered, up to its end."""
        if self.answered_at is None:
            return 0
        return round(((self.ended_at or datetime.now(UTC)) - self.answered_at).total_seconds())

    def _now_ms(self) -> int:
        return int((self._loop.time() - self._placed) * 1000)

    def _note_at(self, at_ms: int, what: str, detail: str = "") -> None:
        moment = Moment(at_ms, what, detail)
        self.timeline.append(moment)
        if self.on_moment is not None:
            self.on_moment(moment)
