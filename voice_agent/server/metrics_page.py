"""The page of `/metrics`, in Prometheus' text format: what has been counted, and how things stand at this moment.

Where there are several workers, each can be asked, and tells of all. Counts stay each worker's own, with its number as
a label: of a sum Prometheus could not tell that one of them began anew. How things stand is told of all together.
https://prometheus.io/docs/instrumenting/exposition_formats/ It must not know who may read it.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from voice_agent.live.metrics import PREFIX
from voice_agent.server.reception import Reception
from voice_agent.server.terms import Terms

WORKER = "worker"
"""The label: 1 for the first one."""

_OF_ALL_ALIKE = {"calls_in_store", "calls_limit", "spent_today"}
"""What each worker says of all."""
_WORST = {"loop_lag_seconds", "endpoint_rest_seconds"}
_MOST = {f"{PREFIX}{name}" for name in _OF_ALL_ALIKE | _WORST | {"ready", "agents_broken"}}
"""Of these the most counts; of the others the sum."""
_LONGEST = "longest"

Labels = tuple[tuple[str, str], ...]


class _Family(msgspec.Struct, frozen=True, array_like=True):
    """A metric as workers tell it to each other."""

    name: str
    text: str
    type: str
    samples: list[tuple[str, Labels, float]]


def metrics_page(reception: Reception, in_store: int | None, others: Mapping[int, bytes] | None = None) -> str:
    """Write all of it. `in_store`: calls in progress of all servers of the store; `None`: it cannot be asked.

    `others`: what the other workers tell (`told_to_others`), by their numbers; `None`: there are none.
    """
    counted, now = reception.metrics.registry, _Now(reception, in_store)
    if others is None or reception.seat is None:
        return (generate_latest(counted) + generate_latest(now)).decode()
    decoded = {number: msgspec.msgpack.decode(page, type=list[_Family]) for number, page in others.items() if page}
    pages = dict(sorted({reception.seat.number: list(_families(reception, in_store)), **decoded}.items()))
    return generate_latest(_Together(pages)).decode()


def told_to_others(reception: Reception) -> bytes:
    """Write what another worker puts into its page."""
    return msgspec.msgpack.encode(list(_families(reception, None)))


def rests(terms: Terms) -> Iterator[tuple[str, int]]:
    """Give the model's endpoints, if there is a choice, with the seconds for which calls still go past each."""
    for model in (terms.model, *terms.fallbacks) if terms.fallbacks else ():
        yield model.name, terms.health.rests_s(model.name)


def _families(reception: Reception, in_store: int | None) -> Iterator[_Family]:
    for source in (reception.metrics.registry, _Now(reception, in_store)):
        for metric in source.collect():
            samples = [(each.name, tuple(each.labels.items()), float(each.value)) for each in metric.samples]
            yield _Family(metric.name, metric.documentation, metric.type, samples)


class _Together(Collector):
    """What several workers tell."""

    def __init__(self, pages: Mapping[int, Iterable[_Family]]) -> None:
        self._pages = pages

    def collect(self) -> Iterator[Metric]:
        families: dict[str, list[tuple[int, _Family]]] = {}
        for number, page in self._pages.items():
            for family in page:
                families.setdefault(family.name, []).append((number, family))
        for name, told in families.items():
            first = told[0][1]
            metric = Metric(name, first.text, first.type)
            if first.type == "gauge" and name.startswith(PREFIX):
                _add_joined(metric, [family for _, family in told])
            else:
                for number, family in told:
                    for sample, labels, value in family.samples:
                        metric.add_sample(sample, {**dict(labels), WORKER: str(number + 1)}, value)
            yield metric


def _add_joined(metric: Metric, told: Iterable[_Family]) -> None:
    values: dict[tuple[str, Labels], list[float]] = {}
    for family in told:
        for sample, labels, value in family.samples:
            values.setdefault((sample, labels), []).append(value)
    for (sample, labels), each in values.items():
        most = metric.name in _MOST or ("of", _LONGEST) in labels
        metric.add_sample(sample, dict(labels), max(each) if most else sum(each))


class _Now(Collector):
    """Reads at the moment when it is asked: nothing is kept up to date for a reader that may never come."""

    def __init__(self, reception: Reception, in_store: int | None) -> None:
        self._reception = reception
        self._in_store = in_store

    def collect(self) -> Iterator[Metric]:
        reception, waiting = self._reception, [session.waiting for session in self._reception.lobby.sessions.values()]
        yield _gauge("ready", "1 while calls are taken, 0 once the server stops.", not reception.stopping.closing)
        broken = (
            "1 while the agents' files are wrong, and the last good agents serve until the server is started again."
        )
        yield _gauge("agents_broken", broken, reception.agents_broken())
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
            outbox.add_metric([leg, _LONGEST], max(lengths, default=0))
        yield outbox


def _gauge(name: str, text: str, value: float | None = None, labels: tuple[str, ...] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}{name}", text, None if value is None else float(value), labels or None)
