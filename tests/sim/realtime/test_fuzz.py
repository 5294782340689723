"""Whatever a client sends, the session answers in events that conform, and never raises."""

import base64
import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.realtime_client import VirtualClient, silence, tone
from voice_agent.sim.realtime import ClientText, RealtimeOptions

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5000) | st.floats(-2, 2) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["type", "audio", "input", "output", "format", "turn_detection", "threshold", "tools", "voice", "instructions",
     "item_id", "content_index", "audio_end_ms", "item", "content", "role", "call_id", "metadata", "conversation"]
)  # fmt: skip
VALUES = JSON | st.sampled_from(["message", "user", "realtime", "audio/pcmu", "server_vad", "item_1", "item_2", "none"])
OBJECTS = st.recursive(
    st.dictionaries(FIELDS, VALUES, max_size=4),
    lambda inner: st.dictionaries(FIELDS, inner | VALUES | st.lists(inner, max_size=2), max_size=4),
    max_leaves=8,
)
EVENTS = st.builds(
    lambda kind, fields, body: {**fields, "session": body, "response": body, "item": body} | {"type": kind},
    st.sampled_from(
        ["session.update", "response.create", "response.cancel", "conversation.item.create",
         "conversation.item.truncate", "conversation.item.delete", "conversation.item.retrieve",
         "input_audio_buffer.commit", "input_audio_buffer.clear", "input_audio_buffer.append"]
    ),
    st.dictionaries(FIELDS, VALUES, max_size=3),
    OBJECTS,
)  # fmt: skip


@given(st.lists(EVENTS, max_size=8))
@settings(max_examples=60, deadline=None)
def test_any_event_is_answered_in_conforming_events(events: list[dict[str, Any]]) -> None:
    client = VirtualClient(RealtimeOptions(pace=1))
    for event in events:
        client.send(**event)
        client.append(tone(40))
        client.wait(100)


@given(st.text() | JSON.map(json.dumps))
@settings(max_examples=50, deadline=None)
def test_any_text_is_answered(text: str) -> None:
    assert VirtualClient().feed(ClientText(text))[0]["type"] == "error"


ACTIONS = st.sampled_from(
    ["speak", "pause", "wait", "create", "cancel", "truncate", "delete", "clear", "commit", "flags", "text"]
)


@given(st.lists(ACTIONS, max_size=25))
@settings(max_examples=60, deadline=None)
def test_every_response_ends_once_and_items_begin_before_they_end(actions: list[str]) -> None:
    client = VirtualClient()
    client.setup(server_vad=True)
    client.brain = lambda _: ["A sentence of some length.", ("tool", "{}")]
    for action in actions:
        act(client, action)
    client.wait(10_000)
    opened = [event["response"]["id"] for event in client.of("response.created")]
    closed = [event["response"]["id"] for event in client.of("response.done")]
    added = [event["item"]["id"] for event in client.of("response.output_item.added")]
    done = [event["item"]["id"] for event in client.of("response.output_item.done")]

    assert opened == closed
    assert added == done
    assert len(set(added)) == len(added)


def act(client: VirtualClient, action: str) -> None:
    items = [event["item"]["id"] for event in client.of("conversation.item.added")]
    match action:
        case "speak":
            client.stream(tone(200))
        case "pause":
            client.stream(silence(600))
        case "wait":
            client.wait(150)
        case "create":
            client.send(type="response.create")
        case "cancel":
            client.send(type="response.cancel")
        case "truncate" if items:
            client.send(type="conversation.item.truncate", item_id=items[-1], content_index=0, audio_end_ms=20)
        case "delete" if items:
            client.send(type="conversation.item.delete", item_id=items[-1])
        case "clear":
            client.send(type="input_audio_buffer.clear")
        case "commit":
            client.send(type="input_audio_buffer.commit")
        case "flags":
            client.setup(server_vad=False)
            client.setup(server_vad=True)
        case "text":
            client.send(type="response.create", response={"output_modalities": ["text"]})


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=30))
@settings(max_examples=20, deadline=None)
def test_turns_are_the_same_however_the_audio_is_cut(sizes: list[int]) -> None:
    audio = silence(200) + tone(300) + silence(700)

    def turns(cuts: list[int]) -> list[dict[str, Any]]:
        client = VirtualClient()
        client.setup(server_vad=True)
        rest = audio
        for cut in cuts:
            client.send(type="input_audio_buffer.append", audio=base64.b64encode(rest[:cut]).decode())
            rest = rest[cut:]
        client.append(rest)
        return client.of("input_audio_buffer.speech_started") + client.of("input_audio_buffer.speech_stopped")

    assert [event | {"event_id": ""} for event in turns(sizes)] == [event | {"event_id": ""} for event in turns([])]
