import json

from voice_agent.call.commands import RunTool
from voice_agent.call.events import ModelRefused
from voice_agent.live.recorded import describe
from voice_agent.recording.entries import Entry
from voice_agent.wire.texts import ModelText, PhoneText


def test_texts_stand_in_a_recording_as_they_are() -> None:
    assert describe(PhoneText('{"event": "stop"}')) == Entry("phone", '{"event": "stop"}')
    assert describe(ModelText("not even JSON")) == Entry("model", "not even JSON")


def test_everything_else_stands_there_as_json_that_names_its_kind() -> None:
    refused, order = describe(ModelRefused(401, "no key")), describe(RunTool("c1", "book", "{}"))

    assert json.loads(refused.text) == {"type": "ModelRefused", "status": 401, "detail": "no key"}
    assert json.loads(order.text) == {"type": "RunTool", "call_id": "c1", "name": "book", "arguments": "{}"}
    assert {refused.way, order.way} == {"fact"}
