"""Has another server asked what becomes of a call: the one that takes this one's place, or one beside it.

It must not know which one that is; a proxy, or the socket that both listen on, decides.
"""

from collections.abc import Mapping

from voice_agent.wire import twiml

TIMES = "sent"
"""In the query of an address: how often in a row a caller was sent on at once."""

_NEXT_TIME = {"": "1", "1": "2", "2": "3"}


def send_on(url: str) -> str:
    """Have an address asked again in a moment: as soon as we listen no more."""
    return twiml.render([twiml.Pause(1), twiml.Redirect(url)])


def send_on_at_once(url: str, fields: Mapping[str, str]) -> str:
    """Have it asked again at once, where that was not done too often: a proxy may bring it to another server.

    `fields`: of the request, with what its address carried. `url`: without a query.
    """
    times = _NEXT_TIME.get(fields.get(TIMES, ""))
    return send_on(url) if times is None else twiml.render([twiml.Redirect(f"{url}?{TIMES}={times}")])
