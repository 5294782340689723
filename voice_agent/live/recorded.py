"""How what a bridge is fed and what comes out of it stand in a recording.

Texts of the sockets stand there as they are; everything else as JSON with its class's name as `type`.
"""

import msgspec

from voice_agent.recording.entries import Entry
from voice_agent.wire.bridge import Input, Output
from voice_agent.wire.texts import ModelText, PhoneText


def describe(value: Input | Output) -> Entry:
    """Give one input or output as an entry."""
    # By type, as in `Bridge.read`.
    if type(value) is PhoneText:
        return Entry("phone", value.text)
    if type(value) is ModelText:
        return Entry("model", value.text)
    return Entry("fact", msgspec.json.encode(value).decode())
