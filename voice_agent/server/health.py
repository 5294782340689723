"""What operators and their machines ask: is it alive, does it take calls, what has it counted.

It must not know how calls work.
"""

from collections.abc import Iterable, Iterator

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse

from voice_agent.config.secret import Secret
from voice_agent.server.insiders import bears, is_of_this_machine
from voice_agent.server.reception import Reception, Terms

PREFIX = "voice_agent_"


def health(reception: Reception, api_token: Secret | None = None) -> APIRouter:
    """Make the routes. Counts are for this machine, and for whoever knows `api_token`: strangers need not know them."""
    router = APIRouter()

    @router.get("/healthz")
    async def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @router.get("/readyz")
    async def readyz() -> Response:
        if reception.closing:
            return PlainTextResponse("stopping\n", status_code=503)
        return PlainTextResponse("".join(["ready\n", *map(_told, _rests(reception.terms))]))

    @router.get("/metrics")
    async def metrics(request: Request) -> Response:
        if not is_of_this_machine(request) and not bears(request, api_token):
            raise HTTPException(403, "for this machine only, or with Authorization: Bearer and API_TOKEN")
        return Response(prometheus(reception), media_type="text/plain; version=0.0.4")

    return router


def prometheus(reception: Reception) -> str:
    """Write counts and states in Prometheus' text format.

    https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    lines: list[str] = []
    last = ""
    for name, labels, count in reception.counters:
        if name != last:
            lines.append(f"# TYPE {PREFIX}{name}_total counter")
            last = name
        lines.append(f"{PREFIX}{name}_total{_labels(labels.items())} {count}")
    if (capacity := reception.capacity) is not None:
        for name, amount in (
            ("calls_limit", capacity.limits.calls),
            ("loop_lag_ms", capacity.lag.ms),
            ("spent_today", round(capacity.spending.today, 4)),
        ):
            lines += [f"# TYPE {PREFIX}{name} gauge", f"{PREFIX}{name} {amount}"]
    rests = [("endpoint_rest_seconds", {"endpoint": name}, rests_s) for name, rests_s in _rests(reception.terms)]
    waiting = [session.waiting for session in reception.lobby.sessions.values()]
    for name, labels, value in (
        ("calls", {}, len(waiting)),
        *rests,
        ("outbox_messages", {"leg": "phone", "of": "all"}, sum(phone for phone, _ in waiting)),
        ("outbox_messages", {"leg": "phone", "of": "longest"}, max((phone for phone, _ in waiting), default=0)),
        ("outbox_messages", {"leg": "model", "of": "all"}, sum(model for _, model in waiting)),
        ("outbox_messages", {"leg": "model", "of": "longest"}, max((model for _, model in waiting), default=0)),
    ):
        if name != last:
            lines.append(f"# TYPE {PREFIX}{name} gauge")
            last = name
        lines.append(f"{PREFIX}{name}{_labels(labels.items())} {value}")
    return "\n".join(lines) + "\n"


def _rests(terms: Terms) -> Iterator[tuple[str, int]]:
    """Give the model's endpoints, if there is a choice, with the seconds for which calls still go past each."""
    for model in (terms.model, *terms.fallbacks) if terms.fallbacks else ():
        yield model.name, terms.health.rests_s(model.name)


def _told(endpoint: tuple[str, int]) -> str:
    name, rests_s = endpoint
    return f"{name}: {f'left alone for {rests_s} s' if rests_s else 'asked'}\n"


def _labels(labels: Iterable[tuple[str, str]]) -> str:
    written = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels)
    return f"{{{written}}}" if written else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
