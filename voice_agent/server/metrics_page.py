"""The page of `/metrics`, in Prometheus' text format: what has been counted, and how things stand at this moment.

https://prometheus.io/docs/instrumenting/exposition_formats/ It must not know who may read it.
"""

from collections.abc import Iterator

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from voice_agent.live.metrics import PREFIX
from voice_agent.server.reception import Reception, Terms


def metrics_page(reception: Reception, in_store: int | None) -> str:
    """Write all of it. `in_store`: calls in progress of all servers of the store; `None`: it cannot be asked."""
    return (generate_latest(reception.metrics.registry) + generate_latest(_Now(reception, in_store))).decode()


def rests(terms: Terms) -> Iterator[tuple[str, int]]:
    """Give the model's endpoints, if there is a choice, with the seconds for which calls still go past each."""
    for model in (terms.model, *terms.fallbacks) if terms.fallbacks else ():
        yield model.name, terms.health.rests_s(model.name)


class _Now(Collector):
    """Reads at the moment when it is asked: nothing is kept up to date for a reader that may never come."""

    def __init__(self, reception: Reception, in_store: int | None) -> None:
        self._reception = reception
        self._in_store = in_store

    def collect(self) -> Iterator[Metric]:
        reception, waiting = self._reception, [session.waiting for session in self._reception.lobby.sessions.values()]
        yield _gauge("ready", "1 while calls are taken, 0 once the server stops.", not reception.closing)
        yield _gauge("calls", "Calls in progress here, those included that wait for their stream.", len(waiting))
        if self._in_store is not None:
            yield _gauge("calls_in_store", "Calls in progress of all servers of the store.", self._in_store)
        waits = "Recordings of calls that are over and not yet in the object store."
        yield _gauge("recordings_waiting", waits, reception.metrics.recordings_waiting)
        if (capacity := reception.capacity) is not None:
            yield _gauge("calls_limit", "Calls that are taken at once.", capacity.limits.calls)
            yield _gauge("loop_lag_seconds", "How late the event loop is; see MAX_LAG_MS.", capacity.lag.ms / 1000)
            cost = "What the model's tokens cost, in the currency of the prices"
            yield _gauge("spent_today", f"{cost}, on this day; of what is known here.", capacity.spending.today)
            spent = capacity.spending.of_this_server
            yield CounterMetricFamily(f"{PREFIX}cost", f"{cost}, since the server began.", spent)
        resting = _gauge("endpoint_rest_seconds", "For how long calls go past an endpoint.", labels=("endpoint",))
        for name, rests_s in rests(reception.terms):
            resting.add_metric([name], rests_s)
        yield resting
        outbox = _gauge("outbox_messages", "Messages that wait to be written to a socket.", labels=("leg", "of"))
        for leg, lengths in (("phone", [phone for phone, _ in waiting]), ("model", [model for _, model in waiting])):
            outbox.add_metric([leg, "all"], sum(lengths))
            outbox.add_metric([leg, "longest"], max(lengths, default=0))
        yield outbox


def _gauge(name: str, text: str, value: float | None = None, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}{name}", text, None if value is None else float(value), labels or None)
