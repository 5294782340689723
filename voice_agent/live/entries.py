"""A bridge's inputs and outputs as entries of a recording, and back."""

import msgspec

from voice_agent.errors import PeerError
from voice_agent.recording.entries import Entry
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import ModelText, PhoneText

_INPUTS: msgspec.json.Decoder[Input] = msgspec.json.Decoder(Input)
_OUTPUTS: msgspec.json.Decoder[Output] = msgspec.json.Decoder(Output)


def entry_of(value: Input | Output) -> Entry:
    """Describe what was fed to a bridge or came out of it."""
    match value:
        case PhoneText():
            return Entry("phone", value.text)
        case ModelText():
            return Entry("model", value.text)
        case _:
            return Entry("fact", msgspec.json.encode(value).decode())


def input_of(entry: Entry) -> Input:
    """Give what was fed; raises `PeerError` for a fact that no bridge of this version is fed, and for a remark."""
    if entry.way == "phone":
        return PhoneText(entry.text)
    if entry.way == "model":
        return ModelText(entry.text)
    try:
        return _INPUTS.decode(entry.text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise PeerError(f"the recording was fed something that this version does not know: {error}") from None


def output_of(entry: Entry) -> Output:
    """Give what came out; raises `PeerError` for a fact that no bridge of this version gives."""
    if entry.way == "phone":
        return PhoneText(entry.text)
    if entry.way == "model":
        return ModelText(entry.text)
    try:
        return _OUTPUTS.decode(entry.text)
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise PeerError(f"the recording holds an output that this version does not know: {error}") from None
