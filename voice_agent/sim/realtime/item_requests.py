"""Items that a client brings along: `conversation.item.create` and the `input` of a response."""

from typing import Any

from voice_agent.errors import PeerError
from voice_agent.sim.realtime import shapes
from voice_agent.sim.realtime.formats import AudioFormat
from voice_agent.sim.realtime.items import Conversation, Item, Part
from voice_agent.sim.realtime.refusals import ClientError
from voice_agent.wire.realtime import decode_audio

_COMMON: dict[str, shapes.Check] = {
    "type": shapes.text,
    "id": shapes.text,
    "object": shapes.one_of("realtime.item"),
    "status": shapes.one_of("completed", "incomplete", "in_progress"),
}


def _parts(*kinds: str) -> shapes.Check:
    fields = {
        "input_text": shapes.mapping({"type": shapes.text, "text": shapes.text}, ("text",)),
        "output_text": shapes.mapping({"type": shapes.text, "text": shapes.text}, ("text",)),
        "input_audio": shapes.mapping(
            {"type": shapes.text, "audio": shapes.text, "transcript": shapes.nullable(shapes.text)}, ("audio",)
        ),
        "input_image": _image,
    }
    return shapes.array(shapes.tagged({kind: fields[kind] for kind in kinds}))


def _image(_: Any, path: str) -> Any:
    raise ClientError(
        "invalid_value",
        "This local server cannot see: it takes 'input_text' and 'input_audio', but no 'input_image'.",
        f"{path}.type",
    )


_PARTS_BY_ROLE = {
    "system": _parts("input_text"),
    "user": _parts("input_text", "input_audio", "input_image"),
    # What the assistant said aloud cannot be brought back as audio, only as text.
    "assistant": _parts("output_text"),
}


def _message(value: Any, path: str) -> Any:
    role = value.get("role")
    shapes.one_of(*_PARTS_BY_ROLE)(role, f"{path}.role")
    fields = {**_COMMON, "role": shapes.text, "content": _PARTS_BY_ROLE[role]}
    return shapes.mapping(fields, ("role", "content"))(value, path)


_ITEM = shapes.tagged(
    {
        "message": _message,
        "function_call": shapes.mapping(
            {**_COMMON, "call_id": shapes.text, "name": shapes.text, "arguments": shapes.text}, ("name", "arguments")
        ),
        "function_call_output": shapes.mapping(
            {**_COMMON, "call_id": shapes.text, "output": shapes.text}, ("call_id", "output")
        ),
        "mcp_approval_response": shapes.mapping(
            {
                **_COMMON,
                "approval_request_id": shapes.text,
                "approve": shapes.boolean,
                "reason": shapes.nullable(shapes.text),
            },
            ("approval_request_id", "approve"),
        ),
    }
)


def read_item(given: dict[str, Any], path: str, audio_format: AudioFormat) -> Item:
    """Check an item of a client; its id is empty where the client chose none. Raises `ClientError`."""
    checked = _ITEM(given, path)
    item = Item(id=checked.get("id", ""), type=checked["type"], role=checked.get("role", "user"))
    item.content = [
        _read_part(part, f"{path}.content[{index}]", audio_format)
        for index, part in enumerate(checked.get("content", []))
    ]
    item.call_id = checked.get("call_id", "")
    item.name = checked.get("name", "")
    item.arguments = checked.get("arguments", "")
    item.output = checked.get("output", "")
    item.approval_request_id = checked.get("approval_request_id")
    item.approve = checked.get("approve", False)
    item.reason = checked.get("reason")
    return item


def read_input(given: list[dict[str, Any]], conversation: Conversation, audio_format: AudioFormat) -> list[Item]:
    """Read the `input` of a response: items, and references to items of the conversation. Raises `ClientError`."""
    items = []
    for index, entry in enumerate(given):
        path = f"response.input[{index}]"
        if entry.get("type") == "item_reference":
            items.append(_referred(entry, path, conversation))
        else:
            items.append(read_item(entry, path, audio_format))
    return items


def _referred(entry: dict[str, Any], path: str, conversation: Conversation) -> Item:
    checked = shapes.mapping({"type": shapes.text, "id": shapes.text}, ("id",))(entry, path)
    item = conversation.find(checked["id"])
    if item is None:
        raise ClientError("invalid_value", f"Item with id '{checked['id']}' does not exist.", f"{path}.id")
    return item


def _read_part(part: dict[str, Any], path: str, audio_format: AudioFormat) -> Part:
    if part["type"] != "input_audio":
        return Part(part["type"], part["text"])
    try:
        audio = decode_audio(part["audio"])
    except PeerError as error:
        raise ClientError("invalid_value", f"Invalid '{path}.audio': {error}.", f"{path}.audio") from None
    transcript = part.get("transcript")
    return Part("input_audio", transcript or "", heard=transcript is not None, audio=audio, format=audio_format)
