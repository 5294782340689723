"""Which TwiML runs when: verbs on a line that only takes notes."""

import asyncio
from collections.abc import Mapping

import pytest

from voice_agent.emulator.twilio.documents import Address, Document
from voice_agent.emulator.twilio.verbs import DOCUMENTS, run
from voice_agent.emulator.twilio.webhook import WebhookError
from voice_agent.sim.carrier import CallEnded
from voice_agent.wire.twiml import Connect, Dial, Hangup, Pause, Play, Redirect, Say, Verb

URL = "http://127.0.0.1/voice"
STREAM = Connect(url="wss://example.com/media", action="/after")
CLOSED = CallEnded("bridge_closed", continues=True)


class NotingLine:
    """A line on which nothing takes time. `ordered` is what somebody orders by REST during the first stream."""

    def __init__(
        self,
        documents: Mapping[str, list[Verb]] | None = None,
        stream_ends: CallEnded | None = CLOSED,
        ordered: Address | Document | None = None,
        leaves_in: str = "",
    ) -> None:
        self.leaving = False
        self.did: list[str] = []
        self.faults: list[int] = []
        self._documents = documents or {}
        self._stream_ends = stream_ends
        self._ordered = ordered
        self._leaves_in = leaves_in

    def take_next(self) -> Address | Document | None:
        following, self._ordered = (self._ordered, None) if self.leaving else (None, self._ordered)
        if following is not None:
            self.leaving = False
        return following

    def note(self, what: str, detail: str = "") -> None:
        self._do(f"{what}: {detail}" if detail else what)

    def fault(self, code: int, problem: str) -> None:
        assert problem
        self.faults.append(code)

    async def request(self, address: Address, fields: Mapping[str, str]) -> Document:
        self._do(f"{address.method} {address.url} {dict(fields)}")
        if address.url not in self._documents:
            raise WebhookError(11200, "none")
        return Document(self._documents[address.url], address.url)

    async def pause(self, seconds: float) -> None:
        self._do(f"wait {seconds:g}")

    async def play_keys(self, digits: str) -> None:
        self._do(f"keys {digits}")

    async def left(self) -> None:
        self._do("leaves")

    async def stream(self, verb: Connect, document: Document) -> tuple[CallEnded | None, str]:
        assert document.verbs
        self._do(f"stream {verb.url}")
        self.leaving = self.leaving or self._ordered is not None
        return self._stream_ends, "MZ1"

    async def dial(self, verb: Dial) -> Mapping[str, str]:
        self._do(f"dial {verb.number}")
        return {"DialCallStatus": "busy"}

    def _do(self, what: str) -> None:
        self.did.append(what)
        self.leaving = self.leaving or (bool(self._leaves_in) and what.startswith(self._leaves_in))


def did(line: NotingLine, *verbs: Verb) -> list[str]:
    asyncio.run(run(line, Document(list(verbs), URL)))
    return line.did


def test_verbs_run_one_after_the_other_until_the_twiml_is_finished() -> None:
    line = NotingLine()

    assert did(line, Say("0123456789"), Play("/tune"), Play(digits="12"), Pause(3), Dial(number="+1")) == [
        "the carrier says: 0123456789",
        "wait 0.6",
        "the carrier plays: /tune",
        "wait 1",
        "keys 12",
        "pause: 3 s",
        "wait 3",
        "dial +1",
        "the TwiML is finished",
    ]


def test_nothing_runs_behind_a_hang_up() -> None:
    assert did(NotingLine(), Hangup(), Say("never")) == ["the TwiML hangs up"]


def test_a_redirect_goes_on_with_the_other_document_and_resolves_its_address() -> None:
    line = NotingLine({"http://127.0.0.1/other": [Say("x")]})

    assert did(line, Redirect("other", "GET"), Say("never")) == [
        "GET http://127.0.0.1/other {}",
        "the carrier says: x",
        "wait 0.06",
        "the TwiML is finished",
    ]


def test_the_action_decides_what_follows_a_stream() -> None:
    line = NotingLine({"http://127.0.0.1/after": [Hangup()]})

    assert did(line, STREAM, Say("never")) == [
        "stream wss://example.com/media",
        "POST http://127.0.0.1/after {'StreamSid': 'MZ1'}",
        "the TwiML hangs up",
    ]


@pytest.mark.parametrize("ended", [CLOSED, None])
def test_without_an_action_the_next_verb_follows_a_stream_also_one_that_never_opened(ended: CallEnded | None) -> None:
    line = NotingLine(stream_ends=ended)

    assert did(line, Connect(url="wss://a"), Hangup()) == ["stream wss://a", "the TwiML hangs up"]


def test_a_call_that_ended_in_its_stream_runs_nothing_more() -> None:
    line = NotingLine(stream_ends=CallEnded("bridge_lost", continues=False))

    assert did(line, STREAM, Say("never")) == ["stream wss://example.com/media"]


def test_twiml_ordered_meanwhile_takes_over() -> None:
    line = NotingLine(ordered=Document([Hangup()]), stream_ends=CallEnded("redirected", continues=True))

    assert did(line, STREAM, Say("never")) == ["stream wss://example.com/media", "the TwiML hangs up"]


def test_an_address_ordered_meanwhile_is_asked() -> None:
    line = NotingLine({"http://b/": [Hangup()]}, ordered=Address("http://b/"))

    assert did(line, STREAM) == ["stream wss://example.com/media", "POST http://b/ {}", "the TwiML hangs up"]


def test_a_caller_who_leaves_during_a_verb_hears_no_other() -> None:
    assert did(NotingLine(leaves_in="wait"), Pause(1), Say("never")) == ["pause: 1 s", "wait 1"]


def test_a_caller_who_leaves_during_a_request_gets_no_more_twiml() -> None:
    line = NotingLine({"http://b/": [Say("never")]}, leaves_in="POST")

    assert did(line, Redirect("http://b/")) == ["POST http://b/ {}"]


def test_a_dial_with_an_action_tells_how_it_went() -> None:
    line = NotingLine({"http://127.0.0.1/dialled": []})

    assert did(line, Dial(number="+1", action="/dialled")) == [
        "dial +1",
        "POST http://127.0.0.1/dialled {'DialCallStatus': 'busy'}",
        "the TwiML is finished",
    ]


def test_twiml_that_cannot_be_had_ends_the_call() -> None:
    assert did(NotingLine(), Redirect("/missing"), Say("never")) == ["POST http://127.0.0.1/missing {}"]


def test_a_document_that_redirects_to_itself_does_not_run_for_ever() -> None:
    line = NotingLine({URL: [Redirect("")]})

    assert len(did(line, Redirect(""))) < DOCUMENTS
    assert line.faults == [12100]
