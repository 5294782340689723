"""Why the model is gone, as it is told."""

from tests.support.script import Script
from voice_agent.call.commands import Note

NOT_SET_UP = "the model's session was not set up within 6 s; check the network and the provider's status page"


def lost(script: Script) -> list[str]:
    """Why the model is gone, as the log says."""
    return [note.fields["reason"] for note in script.ordered(Note) if note.what == "the model is gone"]
