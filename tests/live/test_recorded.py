import json

from voice_agent.call.commands import RunTool
from voice_agent.call.events import ModelRefused, ToolFinished
from voice_agent.live.recorded import describe
from voice_agent.recording.entries import Entry
from voice_agent.wire.texts import ModelText, PhoneText


def test_texts_stand_in_a_recording_as_they_are() -> None:
    assert describe(PhoneText('{"event": "stop"}')) == Entry("phone", '{"event": "stop"}')
    assert describe(ModelText("not even JSON")) == Entry("model", "not even JSON")


def test_why_a_tool_failed_stands_there_where_anybody_knows() -> None:
    assert json.loads(describe(ToolFinished("c1", "42")).text) == {
        "type": "ToolFinished",
        "call_id": "c1",
        "output": "42",
    }
    failed = ToolFinished("c1", "no", failed=True, cause="HTTP 500")
    assert json.loads(describe(failed).text)["cause"] == "HTTP 500"


def test_everything_else_stands_there_as_json_that_names_its_kind() -> None:
    refused, order = describe(ModelRefused(401, "no key")), describe(RunTool("c1", "book", "{}"))

    assert json.loads(refused.text) == {"type": "ModelRefused", "status": 401, "detail": "no key"}
    assert json.loads(order.text) == {"type": "RunTool", "call_id": "c1", "name": "book", "arguments": "{}"}
    assert {refused.way, order.way} == {"fact"}
