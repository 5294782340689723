"""Runs TwiML for a call, verb by verb, and follows it from document to document.

Everything that a verb does to the call goes through `Line`; this module only knows the order of things.
"""

from collections.abc import Mapping
from typing import Protocol, assert_never

from voice_agent.emulator.twilio.documents import Address, Document
from voice_agent.emulator.twilio.webhook import WebhookError
from voice_agent.sim.carrier import CallEnded
from voice_agent.wire.twiml import Connect, Dial, Hangup, Pause, Play, Record, Redirect, Reject, Say, Verb

DOCUMENTS = 100
"""For one call; a document that redirects to itself would run for ever."""

SAY_MS_PER_CHARACTER = 60
"""How long the carrier's own voice takes: about 170 words a minute."""

RECORDED_S = 2
"""How long a message is that somebody leaves."""

RECORDINGS = "https://api.twilio.com/2010-04-01/Accounts/AC0/Recordings"
"""Where one would be."""

TOO_MANY_DOCUMENTS = 12100


class Line(Protocol):
    """The call, as far as verbs touch it."""

    @property
    def leaving(self) -> bool:
        """The call is over, or other TwiML has been ordered for it."""

    def take_next(self) -> Address | Document | None:
        """Give the TwiML that was ordered for the call meanwhile, once."""

    def note(self, what: str, detail: str = "") -> None:
        """Write a moment down."""

    def fault(self, code: int, problem: str) -> None:
        """Write an entry for the debugger."""

    async def request(self, address: Address, fields: Mapping[str, str]) -> Document:
        """Ask for TwiML; raises `WebhookError`, which has been written down."""

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond the time at which the call is leaving."""

    async def play_keys(self, digits: str) -> None:
        """Press keys towards whoever the account speaks with, `w` and `W` among them; takes as long as they sound."""

    async def left(self) -> None:
        """Wait until the call is leaving."""

    async def stream(self, verb: Connect, document: Document) -> tuple[CallEnded | None, str]:
        """Hold a media stream; `None` if it could not be opened. Gives its StreamSid, too."""

    async def dial(self, verb: Dial) -> Mapping[str, str]:
        """Call somebody else; gives what the `action` is told, `DialCallStatus` among it."""


async def run(line: Line, document: Document) -> None:
    """Run a document and what follows from it, until the call ends."""
    following: Address | Document | None = document
    for _ in range(DOCUMENTS):
        if following is None:
            return
        try:
            if isinstance(following, Address):
                following = await line.request(following, {})
            following = None if line.leaving else await _run_document(line, following)
        except WebhookError:
            following = None  # written down; Twilio says that an error has occurred, and hangs up
        following = line.take_next() or following
    line.fault(TOO_MANY_DOCUMENTS, f"more than {DOCUMENTS} documents in one call")


async def _run_document(line: Line, document: Document) -> Document | Address | None:
    for verb in document.verbs:
        goes_on, following = await _perform(line, document, verb)
        if line.leaving or not goes_on:
            return None
        if following is not None:
            return following
    line.note("the TwiML is finished")
    return None


async def _perform(line: Line, document: Document, verb: Verb) -> tuple[bool, Address | Document | None]:
    """Run one verb; gives whether the call goes on, and the document that it goes on with if not with this one."""
    match verb:
        case Say(text):
            line.note("the carrier says", text)
            await line.pause(len(text) * SAY_MS_PER_CHARACTER / 1000)
        case Play(url, digits):
            if digits:
                await line.play_keys(digits)
            else:
                # Sound files are not fetched: nobody listens to the carrier here.
                line.note("the carrier plays", url)
                await line.pause(1)
        case Pause(length_s):
            line.note("pause", f"{length_s} s")
            await line.pause(length_s)
        case Connect():
            return await _connect(line, document, verb)
        case Dial():
            fields = await line.dial(verb)
            if verb.action and not line.leaving:
                action = document.address(verb.action, verb.method)
                return True, await line.request(action, fields)
        case Record(action, longest_s):
            # What is said is not kept: this carrier shows what becomes of the call.
            line.note("the carrier records a message", f"{longest_s} s at most")
            await line.pause(RECORDED_S)
            if action and not line.leaving:
                address = document.address(action, "POST")
                told = {"RecordingUrl": f"{RECORDINGS}/RE{'0' * 32}", "RecordingDuration": str(RECORDED_S)}
                return True, await line.request(address, told | {"RecordingSid": f"RE{'0' * 32}"})
        case Redirect(url, method):
            return True, document.address(url, method)
        case Hangup():
            line.note("the TwiML hangs up")
            return False, None
        case Reject(reason):
            line.note("the TwiML rejects the call", reason)
            return False, None
        case _:
            assert_never(verb)
    return True, None


async def _connect(line: Line, document: Document, verb: Connect) -> tuple[bool, Address | Document | None]:
    ended, stream_sid = await line.stream(verb, document)
    if line.leaving or (ended is not None and not ended.continues):
        return False, None
    if not verb.action:
        return True, None
    return True, await line.request(document.address(verb.action, verb.method), {"StreamSid": stream_sid})
