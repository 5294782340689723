"""How far the server's stop has come, for all that decide about calls."""

from dataclasses import dataclass
from typing import Literal


@dataclass
class Stopping:
    """One for the server, which writes it."""

    closing: bool = False
    """No further call is taken."""
    succeeded: bool = False
    """Somebody else takes its place at once: a further call is to come again, and not turned away."""
    last: Literal["", "ends", "hands over"] = ""
    """What becomes of the calls that are left, once the server has waited for them long enough."""
