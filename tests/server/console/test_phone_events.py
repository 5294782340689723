import asyncio
import json
from typing import Any

from fastapi.responses import StreamingResponse

from tests.support.pump import FakeBridge, FakeWork
from voice_agent.call.commands import AgentSaid, CallEnded, CallStarted, Note, ResponseUsed, ToolAnswered
from voice_agent.call.events import Usage
from voice_agent.live.session import Session
from voice_agent.server.console.phone_events import MOST_KEPT, PhoneEvents
from voice_agent.wire.texts import ModelText, PhoneText

WORDS = (
    '{"type":"response.%s.delta","response_id":"r","item_id":"i","output_index":0,"content_index":0,"delta":"Hello "}'
)

SAID = AgentSaid("i", "Hello", 300, 800, True)


def told(events: PhoneEvents) -> list[tuple[str, Any]]:
    """Give what a page that comes now is told."""

    async def main() -> list[tuple[str, Any]]:
        response = events.response()
        assert isinstance(response, StreamingResponse)
        found = []
        reading = aiter(response.body_iterator)
        try:
            async with asyncio.timeout(0.01):
                async for text in reading:
                    assert isinstance(text, bytes)
                    name, _, data = text.decode().partition("\n")
                    found.append((name.removeprefix("event: "), data))
        except TimeoutError:
            pass
        return [(name, json.loads(data.removeprefix("data: "))) for name, data in found if name[:5] != "retry"]

    return asyncio.run(main())


def test_a_page_that_comes_late_is_told_all_from_the_beginning() -> None:
    events = PhoneEvents()
    events.report(5, CallStarted(400))
    events.report(900, SAID)

    started, said = told(events)
    assert started == ("call_started", {"at_ms": 5, "connect_ms": 400})
    assert said[0] == "agent_said"
    assert said[1] == {
        "at_ms": 900,
        "item_id": "i",
        "text": "Hello",
        "heard_ms": 300,
        "total_ms": 800,
        "interrupted": True,
    }


def test_the_agents_words_are_told_as_the_model_sends_them_in_both_dialects() -> None:
    session = Session(FakeBridge(lambda _: []), FakeWork())
    events = PhoneEvents()
    events.begin(session)
    for kind in ("output_audio_transcript", "audio_transcript", "output_audio"):
        session.feed(ModelText(WORDS % kind))
    session.feed(ModelText('{"transcript.delta'))
    session.feed(PhoneText(WORDS % "audio_transcript"))
    events.end()
    session.feed(ModelText(WORDS % "audio_transcript"))

    words = ("agent_words", "i", "Hello ")
    assert [(name, data["item_id"], data["text"]) for name, data in told(events)] == [words, words]


def test_a_failed_tool_is_told_with_why() -> None:
    session = Session(FakeBridge(lambda _: []), FakeWork())
    session.causes["c"] = "alder.py:3: KeyError"
    events = PhoneEvents()
    events.begin(session)
    events.report(1, ToolAnswered("c", "it failed", True, 3))
    events.report(2, ToolAnswered("d", "it worked", False, 3))

    assert [data.get("cause") for _, data in told(events)] == ["alder.py:3: KeyError", None]


def test_what_only_operators_look_at_is_not_told() -> None:
    events = PhoneEvents()
    events.report(1, ResponseUsed(Usage()))
    events.report(2, Note("info", "the session is renewed"))
    events.report(3, Note("error", "the model refused", {"status": 401}))

    assert [name for name, _ in told(events)] == ["note"]


def test_a_long_call_is_not_kept_whole() -> None:
    events = PhoneEvents()
    for at_ms in range(MOST_KEPT + 10):
        events.report(at_ms, CallEnded("completed", "", at_ms))

    assert len(events._past) == MOST_KEPT
