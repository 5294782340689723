import base64
import json
from typing import Any

import msgspec
import pytest

from tests.support.recorded import caller_media, header, model_delta
from voice_agent.recording.entries import Entry
from voice_agent.recording.redact import REDACTED, Finder, Wanted
from voice_agent.recording.redacting import REDACTED_ARGUMENTS, Redactor, item_of, without_digits
from voice_agent.wire import realtime, twilio

FINDER = Finder(Wanted(("Anna Jones",)), ["14255550123"])


def redactor(*secret: str, keys: bool = False) -> Redactor:
    return Redactor(FINDER, set(secret), keys=keys, model_silence=b"\0", names={"billing", "Anna Jones"})


def after(message: dict[str, Any], *secret: str, way: str = "model", keys: bool = False, silent: bool = False) -> Any:
    entry = Entry("phone" if way == "phone" else "model", json.dumps(message))
    return json.loads(redactor(*secret, keys=keys).entry(entry, silent=silent).text)


def test_silence_has_the_length_of_the_sound() -> None:
    caller, agent = caller_media(3, b"\x10" * 160), model_delta(b"\x10\x20" * 100)

    media = json.loads(redactor().entry(caller, silent=True).text)
    delta = json.loads(redactor().entry(agent, silent=True).text)

    assert base64.b64decode(media["media"]["payload"]) == b"\xff" * 160
    assert base64.b64decode(delta["delta"]) == bytes(200)
    assert media["media"]["timestamp"] == "60"
    assert json.loads(redactor().entry(caller, silent=False).text) == json.loads(caller.text)
    assert json.loads(redactor().entry(agent, silent=False).text) == json.loads(agent.text)


def test_all_words_of_a_secret_turn_go_and_its_names_stay() -> None:
    item = {
        "id": "item_1",
        "type": "message",
        "role": "user",
        "content": [{"type": "input_audio", "audio": "UklGRg==", "transcript": "harmless", "format": "pcm"}],
    }

    for message in ({"type": "conversation.item.retrieved", "item": item}, {"response": {"id": "r", "output": [item]}}):
        text = json.dumps(after(message, "item_1"))
        assert "harmless" not in text
        assert "UklGRg" not in text
        assert REDACTED in text
        assert '"id": "item_1"' in text
    assert "harmless" in json.dumps(after({"item": item}, "item_2"))


def test_a_secret_item_keeps_its_name_however_a_vendor_writes_it() -> None:
    assert after({"item": {"id": "item|1=", "text": "harmless"}}, "item|1=")["item"] == {
        "id": "item|1=",
        "text": REDACTED,
    }


def test_the_pieces_of_a_secret_turn_become_one() -> None:
    one = redactor("item_1")
    delta = {"type": "response.output_audio_transcript.delta", "item_id": "item_1", "delta": "oh one", "logprobs": [1]}
    first, second = (json.loads(one.entry(Entry("model", json.dumps(delta)), silent=True).text) for _ in range(2))

    assert (first["delta"], second["delta"]) == (REDACTED, "")
    assert first["logprobs"] is None


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        ('{"to": "billing", "reason": "she owes 30 dollars"}', '{"to": "billing"}'),
        ('{"to": "Anna Jones"}', REDACTED_ARGUMENTS),
        ('{"to": "Mrs. Miller"}', REDACTED_ARGUMENTS),
        ('{"to": ["billing"]}', REDACTED_ARGUMENTS),
        ('{"to": ', REDACTED_ARGUMENTS),
        ("[]", REDACTED_ARGUMENTS),
    ],
)
def test_of_a_hand_over_stays_whom_it_goes_to(arguments: str, left: str) -> None:
    call = {"type": "function_call", "id": "i", "call_id": "call_1", "name": "handoff", "arguments": arguments}

    assert after(call, "call_1")["arguments"] == left


def test_a_tool_call_goes_with_its_answer() -> None:
    call = {"type": "function_call", "id": "i", "call_id": "call_1", "name": "look_up", "arguments": '{"a":1}'}

    assert after(call, "call_1") == {**call, "arguments": REDACTED_ARGUMENTS}
    assert after({"type": "ToolFinished", "call_id": "call_1", "output": "x"}, "call_1")["output"] == REDACTED


@pytest.mark.parametrize(
    "message",
    [
        {"type": "error", "error": {"message": "no Anna Jones"}},
        {"type": "unheard.of", "deep": [{"er": ["call 425 555 0123"]}]},
        {"type": "unheard.of", "Anna Jones": 1},
        {"type": "unheard.of", "number": 4255550123},
        {
            "type": "Anna Jones",
            "item_id": "call +1 425 555 0123",
            "timestamp": "Anna Jones",
            "sequenceNumber": ["Jones Anna Jones"],
        },
        {"event": "mark", "mark": {"name": "Anna Jones"}},
        {"event": "mark", "mark": {"name": "play-1", "for": "Anna Jones"}},
        {"type": ["Anna Jones"], "item": {"type": {"audio": 1}, "text": "Anna Jones"}},
        {"type": "session.updated", "session": {"tools": [{"description": "for Anna Jones"}]}},
        {"event": "start", "start": {"customParameters": {"id": "Anna Jones"}}},
        {"type": "x", "variables": {"id": "Anna Jones"}},
        {"type": "x", "http": {"values": {"customer_id": "Anna Jones"}, "body": {"code": "Anna Jones"}}},
    ],
)
def test_a_field_that_nobody_has_thought_of_hides_nothing(message: dict[str, Any]) -> None:
    text = json.dumps(after(message))

    assert "Anna" not in text
    assert "555" not in text


def test_long_texts_lose_only_what_was_found() -> None:
    session = {"instructions": "Be kind to Anna Jones."}

    assert after({"session": session})["session"]["instructions"] == f"Be kind to {REDACTED}."


def test_counts_and_names_stay() -> None:
    message = {
        "type": "x",
        "item_id": "item_4255550123",
        "audio_end_ms": 12345678,
        "total_tokens": 1234567,
        "sequenceNumber": "1234567",
        "status": "completed",
    }

    assert after(message) == message


def test_keys_go_on_every_way() -> None:
    pressed = {"event": "dtmf", "dtmf": {"track": "inbound_track", "digit": "7"}}
    told = {"item": {"id": "i", "content": [{"type": "input_text", "text": "The caller pressed these keys: 7 #"}]}}

    assert after(pressed, way="phone")["dtmf"]["digit"] == "0"
    assert after(told, keys=True)["item"]["content"][0]["text"] == REDACTED
    assert after(told) == told
    assert after({"type": "input_audio_buffer.dtmf_event_received", "event": "7"})["event"] == "0"


def test_marks_stay_and_the_account_goes() -> None:
    mark = {"event": "mark", "mark": {"name": "play-4255550123"}}

    assert after(mark, way="phone") == mark
    assert after({"start": {"accountSid": f"AC{'12' * 16}"}}, way="phone")["start"]["accountSid"] == f"AC{'0' * 32}"


@pytest.mark.parametrize("text", ["{", "Anna Jones", "[" * 100_000])
def test_what_is_no_json_goes_whole(text: str) -> None:
    assert redactor().entry(Entry("phone", text), silent=True) == Entry("phone", REDACTED)


def test_sound_that_is_no_base64_goes_whole() -> None:
    assert after({"event": "media", "media": {"payload": "!!"}}, way="phone", silent=True)["media"]["payload"] == ""


def test_of_the_header_nothing_stays_that_tells_of_people() -> None:
    before = header()
    agent = msgspec.structs.replace(before.setup.agent, greeting="Hello Anna Jones!", numbers=("+14255550100",))
    setup = msgspec.structs.replace(before.setup, agent=agent, caller="sip:anna@pbx.example", called="+14255550100")
    webhook = {"From": "sip:anna@pbx.example", "To": "+1425", "CallSid": "CA1", "CallerCity": "Seattle"}
    found = redactor().header(msgspec.structs.replace(before, setup=setup, webhook=webhook))

    assert found.redacted
    assert (found.setup.caller, found.setup.called) == (REDACTED, "+00000000000")
    assert found.setup.agent.numbers == ("+00000000000",)
    assert found.setup.agent.greeting == f"Hello {REDACTED}!"
    assert found.webhook == {"From": REDACTED, "To": "+0000", "CallSid": "CA1"}


@pytest.mark.parametrize(("greeting", "left"), [("Hello!", b"hello"), ("Hello Anna Jones!", b"\xff" * 5)])
def test_a_kept_greeting_is_silent_if_a_listed_word_is_in_it(greeting: str, left: bytes) -> None:
    before = header()
    agent = msgspec.structs.replace(before.setup.agent, greeting=greeting)
    setup = msgspec.structs.replace(before.setup, agent=agent, kept_greeting=b"hello")

    assert redactor().header(msgspec.structs.replace(before, setup=setup)).setup.kept_greeting == left


def test_a_number_keeps_its_length_and_what_is_none_goes_whole() -> None:
    assert [without_digits(text) for text in ("+1 425", "#", "anonymous", "")] == ["+0 000", "#", REDACTED, ""]


def test_an_object_speaks_of_its_call_before_its_item() -> None:
    assert item_of({"call_id": "c", "item_id": "i"}) == "c"
    assert item_of({"call_id": None, "id": "i"}) == "i"
    assert item_of({"id": 7}) == ""


def test_the_fields_of_both_protocols_stay_whatever_is_listed() -> None:
    kinds = (kind for module in (realtime, twilio) for kind in vars(module).values() if isinstance(kind, type))
    fields = {name for kind in kinds if issubclass(kind, msgspec.Struct) for name in kind.__struct_encode_fields__}
    redacts = Redactor(Finder(Wanted(tuple(fields))), set(), keys=False, model_silence=b"\0")
    left = redacts.entry(Entry("model", json.dumps(dict.fromkeys(fields))), silent=False)

    assert json.loads(left.text).keys() == fields


@pytest.mark.parametrize("place", ["variables", "to", "named", "properties"])
def test_a_name_of_a_users_own_goes_though_a_protocol_has_it_too(place: str) -> None:
    redacts = Redactor(Finder(Wanted(("Mark",))), set(), keys=False, model_silence=b"\0")
    left = redacts.entry(Entry("model", json.dumps({"type": "x", place: {"mark": 1}})), silent=False)

    assert json.loads(left.text)[place] == {REDACTED: 1}
