"""The states of a call, as a table: what is not in it cannot happen.

waiting ──stream──▶ talking ──hang-up wanted──▶ goodbye ──heard──▶ leaving ──closed──▶ ended
                       ▲                           │                  ▲
                       └─────── caller spoke ──────┘                  │
                    talking, goodbye ──model gone──▶ apology ──heard──┘
every state ──caller gone──▶ ended
"""

from enum import StrEnum


class Phase(StrEnum):
    """Where a call stands in its life."""

    WAITING = "waiting"
    """For the phone's stream."""
    TALKING = "talking"
    GOODBYE = "goodbye"
    """The agent says goodbye; the caller may still take the call back."""
    APOLOGY = "apology"
    """The model is gone; the caller hears so."""
    LEAVING = "leaving"
    """The line is being closed by us."""
    ENDED = "ended"


class Cause(StrEnum):
    """What moves a call from one phase to another."""

    STREAM = "the stream started"
    HANG_UP_WANTED = "the agent wants to hang up"
    CALLER_SPOKE = "the caller spoke"
    HEARD = "the last words were heard"
    GAVE_UP = "waited long enough"
    MODEL_GONE = "the model is gone"
    END_REQUESTED = "somebody else ends the call"
    CALLER_GONE = "the caller is gone"


TRANSITIONS: dict[tuple[Phase, Cause], Phase] = {
    (Phase.WAITING, Cause.STREAM): Phase.TALKING,
    (Phase.WAITING, Cause.GAVE_UP): Phase.ENDED,
    (Phase.WAITING, Cause.END_REQUESTED): Phase.ENDED,
    (Phase.TALKING, Cause.HANG_UP_WANTED): Phase.GOODBYE,
    (Phase.TALKING, Cause.MODEL_GONE): Phase.APOLOGY,
    (Phase.TALKING, Cause.GAVE_UP): Phase.LEAVING,
    (Phase.TALKING, Cause.END_REQUESTED): Phase.LEAVING,
    (Phase.GOODBYE, Cause.CALLER_SPOKE): Phase.TALKING,
    (Phase.GOODBYE, Cause.HEARD): Phase.LEAVING,
    (Phase.GOODBYE, Cause.GAVE_UP): Phase.LEAVING,
    (Phase.GOODBYE, Cause.MODEL_GONE): Phase.APOLOGY,
    (Phase.GOODBYE, Cause.END_REQUESTED): Phase.LEAVING,
    (Phase.APOLOGY, Cause.HEARD): Phase.LEAVING,
    (Phase.APOLOGY, Cause.GAVE_UP): Phase.LEAVING,
    (Phase.APOLOGY, Cause.END_REQUESTED): Phase.LEAVING,
    (Phase.LEAVING, Cause.GAVE_UP): Phase.ENDED,
    **{(phase, Cause.CALLER_GONE): Phase.ENDED for phase in Phase if phase is not Phase.ENDED},
}


def after(phase: Phase, cause: Cause) -> Phase | None:
    """The phase that follows; `None`: this cause means nothing here."""
    return TRANSITIONS.get((phase, cause))
