"""How what a bridge is fed and what comes out of it stand in a recording.

Texts of the sockets stand there as they are; everything else as JSON with its class's name as `type`.
"""

import msgspec

from voice_agent.recording.entries import Entry
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import ModelText, PhoneText


def describe(value: Input | Output) -> Entry:
    """Give one input or output as an entry."""
    match value:
        case PhoneText():
            return Entry("phone", value.text)
        case ModelText():
            return Entry("model", value.text)
        case _:
            return Entry("fact", msgspec.json.encode(value).decode())
