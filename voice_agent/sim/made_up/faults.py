"""Draws the faults of the model's service: every kind that `sim.realtime.faults` knows, with every code of the API."""

from collections.abc import Sequence

from voice_agent.sim.network import Chance
from voice_agent.sim.realtime.upgrade import STATUSES

ERROR_CODES = (
    "conversation_already_has_active_response",
    "response_cancel_not_active",
    "invalid_value",
    "item_truncate_invalid_item_id",
    "item_retrieve_invalid_item_id",
    "input_audio_buffer_commit_empty",
    "unknown_parameter",
    "missing_required_parameter",
    "invalid_event",
    "invalid_parameter",
    "session_expired",
    "rate_limit_exceeded",
    "inference_rate_limit_exceeded",
    "insufficient_quota",
    "credit_balance_exhausted",
    "billing_hard_limit_reached",
    "account_deactivated",
    "invalid_api_key",
    "server_error",
    "beta_api_shape_disabled",
)
"""Those that were seen (protocol notes 6.3)."""

CLOSE_CODES = (1000, 1001, 1011, 1012, 1013, 4000)

REFUSED = (
    "response.create",
    "response.cancel",
    "conversation.item.truncate",
    "conversation.item.create",
    "session.update",
)
"""What a call asks of the model."""

FAILURES = ("rate_limit_exceeded", "inference_rate_limit_exceeded", "server_error", "insufficient_quota")


def draw_faults(chance: Chance, around_ms: int) -> tuple[str, ...]:
    """Draw those of one connection or two; what has a time comes within `around_ms` of the connection, mostly."""
    connections = 1 if chance.randint(1, 4) > 1 else 2
    return tuple(
        ",".join(_fault(chance, around_ms) for _ in range(1 if chance.randint(1, 3) > 1 else chance.randint(2, 3)))
        for _ in range(connections)
    )


def _fault(chance: Chance, around_ms: int) -> str:  # noqa: C901, PLR0911, PLR0912 - one line a kind
    at = f"@{chance.randint(0, around_ms) / 1000}"
    times = ("", "*1", "*2")[chance.randint(0, 2)]
    match chance.randint(1, 22):
        case 1:
            wait = f",retry-after={chance.randint(1, 20)}" if chance.randint(0, 1) else ""
            return f"status-{_pick(chance, STATUSES)}{wait}"
        case 2:
            return f"slow-upgrade={chance.randint(100, 8000)}"
        case 3:
            return f"silence{at}"
        case 4:
            return f"drop{at}"
        case 5 | 6:
            return f"close={_pick(chance, CLOSE_CODES)}{at}"
        case 7 | 8 | 9:
            return f"error={_pick(chance, ERROR_CODES)}{at}"
        case 10:
            return f"unknown{at}"
        case 11:
            return f"malformed{at}"
        case 12 | 13:
            return f"refuse={_pick(chance, REFUSED)}:{_pick(chance, ERROR_CODES)}{times}"
        case 14:
            return f"fail={_pick(chance, FAILURES)}{times}{',midway' if chance.randint(0, 1) else ''}"
        case 15:
            reason = _pick(chance, ("content_filter", "max_output_tokens"))
            return f"incomplete={reason}{times}{',midway' if chance.randint(0, 1) else ''}"
        case 16:
            return f"rpm={chance.randint(1, 6)}"
        case 17:
            return "mute"
        case 18:
            return "deaf"
        case 19:
            return f"delay={chance.randint(20, 1500)}"
        case 20:
            return f"late-audio={chance.randint(20, 1500)}"
        case 21:
            return f"late-words={chance.randint(100, 8000)}"
        case _:
            return f"chunks={chance.randint(200, 5000)}"


def _pick(chance: Chance, values: Sequence[object]) -> object:
    return values[chance.randint(0, len(values) - 1)]
