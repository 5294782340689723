"""Every metric of a server, declared in one place with its help and its labels: what `/metrics` tells and tests ask.

Labels are few and bounded: outcomes, reasons, fixed sentences, names out of an agent's file; never a number, an id or
what a model or a stranger wrote. Times are told in seconds, as Prometheus wants them, and given in whole milliseconds,
as everywhere here. It must not know when something happens.
"""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, disable_created_metrics

from voice_agent.live.admission import Refusal

PREFIX = "voice_agent_"

ANSWER_S = (0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0)
"""Of what a caller waits for. 3 s is where dead air begins, so that alerts ask for `le="3.0"`."""

CUT_S = (0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0)
"""Of what a caller who interrupts must talk against."""

WORK_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Of tools, and of sessions that are opened."""

COUNTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "webhooks": ("Voice webhooks that Twilio signed.", ()),
    "refused": ("Webhooks, streams and connections that were turned away.", ("reason",)),
    "closed": ("Calls to an agent that is not open.", ()),
    "unanswered": ("Calls that no agent could take by a fault of the settings or of an agent's file.", ()),
    "calls_started": ("Calls that were admitted and whose stream has begun.", ()),
    "calls_ended": ("Calls by how they ended.", ("outcome",)),
    "calls_broken": ("Calls that broke off by a fault of this program.", ()),
    "calls_taken_up": ("Calls whose stream or server was lost and that went on.", ()),
    "calls_given_up": ("Calls that were lost too often to go on.", ()),
    "checkpoints_failed": ("Times that the store could not be used for a call in progress.", ()),
    "recordings_delayed": ("Times that a recording began to wait for room on the disk.", ()),
    "history_delayed": ("Calls that the history could not take at once.", ()),
    "history_lost": ("Calls that the history never took.", ()),
    "recordings_stopped": ("Recordings that could not be written to their end.", ()),
    "recordings_put": ("Recordings that were put into the object store.", ()),
    "recordings_not_put": ("Times that a recording could not be put into the object store, and stays here.", ()),
    "messages_left": ("Messages that callers left with Twilio.", ()),
    "transfers_failed": ("Transfers that came to nothing.", ("status",)),
    "carrier_errors": ("Complaints of Twilio's about a webhook or a stream.", ()),
    "preconnect": ("Sessions that were opened at the webhook, by what became of them.", ("outcome",)),
    "unsent_messages": ("Messages that were never written, because their socket had gone.", ()),
    "dropped_messages": ("Messages of caller's audio that were dropped for a model that reads too slowly.", ()),
    "interruptions": ("Answers that were cut, by what told how much was heard.", ("basis",)),
    "handovers": ("Calls that were handed over to another agent.", ("to",)),
    "tool_calls_failed": ("Tool calls that failed, took too long or had wrong arguments.", ("tool",)),
    "tokens": ("Tokens of the model; cached ones are part of the input.", ("kind",)),
    "model_retries": ("Times that an endpoint was asked once more for a session.", ("status",)),
    "model_fallbacks": ("Times that another endpoint was asked for a session.", ("status",)),
    "model_failures": ("Calls that no endpoint gave a session any more.", ("status",)),
    "notes": ("What else happened in calls that a person may want to know.", ("what",)),
}
"""Name, help, labels. `status`: of the HTTP answer, or `none`."""

STATUSES = ("none", "400", "401", "403", "404", "408", "409", "429", "500", "502", "503", "504")
"""What may come instead of a session, as far as it is known before."""

BEGUN: dict[str, Iterable[str]] = {
    "refused": Refusal,
    "model_retries": STATUSES,
    "model_fallbacks": STATUSES,
    "model_failures": STATUSES,
}
"""What alerts watch is told from 0 on, by the values of its one label: what appears as 1 has not increased for them."""

TIMES: dict[str, tuple[str, tuple[str, ...], tuple[float, ...]]] = {
    "response_seconds": (
        "From the end of the caller's speech to the first sound of the answer, as the caller heard it.", (), ANSWER_S,
    ),
    "interruption_seconds": (
        "From the model's word that the caller speaks to Twilio's word that the agent is silent.", (), CUT_S,
    ),
    "connect_seconds": ("From a call's beginning to the usable session.", (), WORK_S),
    "model_outage_seconds": ("From the loss of a call's session to the next usable one.", (), WORK_S),
    "tool_seconds": ("From a tool's call to its answer.", ("tool",), WORK_S),
}  # fmt: skip
"""Name, help, labels, bounds."""

disable_created_metrics()  # type: ignore[no-untyped-call] # when each of them was first seen: nobody asks, and it doubles the page


class Metrics:
    """One for a server; what it holds is its own, not the process's."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._counts = {
            name: Counter(PREFIX + name, text, labels, registry=self.registry)
            for name, (text, labels) in COUNTS.items()
        }
        for name, values in BEGUN.items():
            for value in values:
                self._counts[name].labels(value)
        self._times = {
            name: Histogram(PREFIX + name, text, labels, buckets=bounds, registry=self.registry)
            for name, (text, labels, bounds) in TIMES.items()
        }
        self.recordings_waiting = 0
        """How many are still to be put into the object store."""
        ProcessCollector(registry=self.registry)

    def add(self, name: str, count: int = 1, **labels: str) -> None:
        """Count something that happened."""
        counted = self._counts[name]
        (counted.labels(**labels) if labels else counted).inc(count)

    def took(self, name: str, ms: int, **labels: str) -> None:
        """Note how long something took."""
        timed = self._times[name]
        (timed.labels(**labels) if labels else timed).observe(ms / 1000)

    def get(self, name: str, **labels: str) -> int:
        """Tell how often it happened, or how often it was timed."""
        sample = f"{PREFIX}{name}_total" if name in COUNTS else f"{PREFIX}{name}_count"
        return int(self.registry.get_sample_value(sample, labels) or 0)
