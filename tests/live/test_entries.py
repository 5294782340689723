import pytest

from voice_agent.call.commands import CallEnded, ConnectModel, Note, ResponseUsed
from voice_agent.call.events import ModelClosed, TimerFired, ToolFinished, Usage
from voice_agent.errors import PeerError
from voice_agent.live.entries import entry_of, input_of, output_of
from voice_agent.recording.entries import Entry
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import ModelText, PhoneText


@pytest.mark.parametrize(
    "value",
    [PhoneText("{}"), ModelText("no json"), TimerFired(), ModelClosed(None), ToolFinished("call_1", '{"a": 1}', True)],
)
def test_every_input_comes_back(value: Input) -> None:
    assert input_of(entry_of(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        PhoneText("{}"),
        ModelText("no json"),
        ConnectModel(),
        Note("info", "a sentence", {"n": 1}),
        ResponseUsed(Usage(3, 4)),
        CallEnded("completed", "", 4000),
    ],
)
def test_every_output_comes_back(value: Output) -> None:
    assert output_of(entry_of(value)) == value


@pytest.mark.parametrize("text", ["", "{}", '{"type":"Unheard"}', '{"type":"ModelClosed","code":"x"}', '"\ud800"'])
def test_what_this_version_does_not_know_is_named(text: str) -> None:
    with pytest.raises(PeerError, match="does not know"):
        input_of(Entry("fact", text))
    with pytest.raises(PeerError, match="does not know"):
        output_of(Entry("fact", text))
