import base64
from typing import Any

import pytest

from tests.support.realtime_client import VirtualClient, tone
from voice_agent.sim.realtime import Line, RealtimeOptions, Think


def talking() -> tuple[VirtualClient, str]:
    """A client after an answer of 270 ms; and the answer's item."""
    client = VirtualClient(RealtimeOptions(pace=0))
    client.setup()
    client.send(type="response.create")
    return client, client.of("conversation.item.added")[-1]["item"]["id"]


def message(text: str, role: str = "user") -> dict[str, Any]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def last_think(client: VirtualClient) -> Think:
    return [order for order in client.orders if isinstance(order, Think)][-1]


def test_items_are_added_at_the_end_at_the_beginning_and_between() -> None:
    client = VirtualClient()
    client.send(type="conversation.item.create", item={**message("b"), "id": "b"})
    client.send(type="conversation.item.create", item={**message("c"), "id": "c"})
    client.send(type="conversation.item.create", item={**message("a", "system"), "id": "a"}, previous_item_id="root")
    client.send(type="conversation.item.create", item={**message("x", "assistant"), "id": "x"}, previous_item_id="b")
    client.send(type="response.create")

    assert [event["previous_item_id"] for event in client.of("conversation.item.done")[:4]] == [None, "b", None, "b"]
    assert last_think(client).conversation == (
        Line("system", "a"),
        Line("user", "b"),
        Line("assistant", "x"),
        Line("user", "c"),
    )


def test_audio_that_a_client_brings_is_recognised() -> None:
    client = VirtualClient()
    client.setup()
    client.words = iter(["good day"])
    audio = base64.b64encode(tone(500)).decode()
    item = {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": audio}]}
    client.send(type="conversation.item.create", item=item)
    client.send(type="response.create")

    assert last_think(client).conversation == (Line("user", "good day"),)
    assert client.of("conversation.item.input_audio_transcription.completed")[0]["usage"]["input_tokens"] == 5


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"item": message("a"), "previous_item_id": "nobody"}, "invalid_value"),
        ({"item": {"type": "function_call_output", "call_id": "nobody", "output": ""}}, "invalid_tool_call_id"),
        (
            {"item": {"type": "message", "role": "user", "content": [{"type": "output_text", "text": "a"}]}},
            "invalid_value",
        ),
        ({"item": {"type": "message", "role": "user", "content": [{"type": "text"}]}}, "invalid_value"),
        ({"item": {"type": "message", "content": []}}, "invalid_value"),
        (
            {"item": {"type": "message", "role": "user", "content": [{"type": "input_audio", "audio": "?"}]}},
            "invalid_value",
        ),
        ({"item": {"role": "user"}}, "missing_required_parameter"),
        ({"item": {**message("a"), "more": 1}}, "unknown_parameter"),
        ({"item": {**message("a"), "content": "a"}}, "invalid_type"),
    ],
)
def test_items_that_cannot_be_are_refused(event: dict[str, Any], code: str) -> None:
    client = VirtualClient()
    (error,) = client.send(type="conversation.item.create", **event)

    assert error["error"]["code"] == code


def test_an_id_is_not_used_twice() -> None:
    client, item_id = talking()
    (error,) = client.send(type="conversation.item.create", item={**message("a"), "id": item_id})

    assert error["error"]["code"] == "invalid_value"


def test_a_retrieved_item_brings_its_audio() -> None:
    client, item_id = talking()
    (event,) = client.send(type="conversation.item.retrieve", item_id=item_id)

    assert base64.b64decode(event["item"]["content"][0]["audio"]) == client.spoken()


def test_truncation_cuts_audio_and_removes_the_whole_transcript() -> None:
    client, item_id = talking()
    (event,) = client.send(type="conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=120)
    (retrieved,) = client.send(type="conversation.item.retrieve", item_id=item_id)
    part = retrieved["item"]["content"][0]

    assert event["type"] == "conversation.item.truncated"
    assert len(base64.b64decode(part["audio"])) == 120 * 48
    assert part["transcript"] is None


def test_the_brain_still_knows_what_was_heard_of_a_truncated_answer() -> None:
    client, item_id = talking()
    client.send(type="conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=120)
    client.send(type="response.create")

    assert last_think(client).conversation == (Line("assistant", "Hello there."),)


@pytest.mark.parametrize("audio_end_ms", [0, 270])
def test_truncation_at_either_end_is_accepted(audio_end_ms: int) -> None:
    client, item_id = talking()
    (event,) = client.send(
        type="conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=audio_end_ms
    )

    assert event["type"] == "conversation.item.truncated"


@pytest.mark.parametrize(
    ("fields", "code", "message"),
    [
        ({"audio_end_ms": 271}, "invalid_value", "Audio content of 270ms is already shorter than 271ms"),
        ({"audio_end_ms": -1}, "invalid_value", "already shorter than -1ms"),
        ({"content_index": 1}, "invalid_value", "Content 1"),
        ({"item_id": "nobody"}, "item_truncate_invalid_item_id", "truncating"),
    ],
)
def test_truncation_of_what_is_not_there_is_refused(fields: dict[str, Any], code: str, message: str) -> None:
    client, item_id = talking()
    event = {"item_id": item_id, "content_index": 0, "audio_end_ms": 10} | fields
    (error,) = client.send(type="conversation.item.truncate", **event)

    assert error["error"]["code"] == code
    assert message in error["error"]["message"]


def test_only_the_assistants_audio_can_be_truncated() -> None:
    client = VirtualClient()
    client.send(type="conversation.item.create", item={**message("a"), "id": "a"})
    client.send(type="conversation.item.create", item={**message("b", "assistant"), "id": "b"})
    errors = [
        client.send(type="conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=0)[0]["error"]
        for item_id in ("a", "b")
    ]

    assert [error["param"] for error in errors] == ["item_id", "content_index"]


def test_a_deleted_item_is_gone() -> None:
    client, item_id = talking()
    events = [client.send(type="conversation.item.delete", item_id=item_id)[0] for _ in range(2)]
    (missing,) = client.send(type="conversation.item.retrieve", item_id=item_id)

    assert events[0]["type"] == "conversation.item.deleted"
    assert events[1]["error"]["code"] == "item_delete_invalid_item_id"
    assert missing["error"]["code"] == "item_retrieve_invalid_item_id"


def test_deleting_a_turn_before_its_words_come_is_no_fault() -> None:
    client = VirtualClient()
    client.setup()
    client.append(tone(300))
    client.lazy = True
    item_id = client.send(type="input_audio_buffer.commit")[0]["item_id"]
    client.send(type="conversation.item.delete", item_id=item_id)
    client.lazy = False
    recognise = client.orders[-1]
    client._take([recognise])
    client.send(type="response.create")

    assert last_think(client).conversation == ()


def test_deleting_an_answer_while_it_is_spoken_is_no_fault() -> None:
    client = VirtualClient()
    client.setup()
    client.send(type="response.create")
    item_id = client.of("conversation.item.added")[-1]["item"]["id"]
    client.send(type="conversation.item.delete", item_id=item_id)
    client.wait(2000)

    assert client.of("response.done")[0]["response"]["status"] == "completed"
    assert not [event for event in client.of("conversation.item.done") if event["item"]["id"] == item_id]


def test_an_image_is_refused_politely_and_changes_nothing() -> None:
    client = VirtualClient()
    image = {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"}
    text = {"type": "input_text", "text": "What is that?"}
    item = {"type": "message", "role": "user", "content": [text, image]}
    (refused,) = client.send(type="conversation.item.create", event_id="mine", item=item)

    assert (refused["error"]["param"], refused["error"]["event_id"]) == ("item.content[1].type", "mine")
    assert refused["error"]["message"].startswith("This local server cannot see")
    assert client.of("conversation.item.added") == []
