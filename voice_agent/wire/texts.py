"""What crosses a socket, as data: the inputs and outputs of a bridge that the core does not know."""

import msgspec


class PhoneText(msgspec.Struct, frozen=True, tag=True, gc=False):
    """One text message of the Twilio stream, received or to be sent."""

    text: str


class ModelText(msgspec.Struct, frozen=True, tag=True, gc=False):
    """One text message of the Realtime socket, received or to be sent."""

    text: str
