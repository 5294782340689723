import re
from pathlib import Path

import pytest

import voice_agent
from voice_agent.live.call_metrics import _OF_THE_MODEL
from voice_agent.live.metrics import COUNTS, PREFIX, TIMES, Metrics


def test_things_are_counted_by_name_and_labels() -> None:
    metrics = Metrics()
    metrics.add("tokens", 5, kind="input")
    metrics.add("tokens", 2, kind="input")
    metrics.add("calls_broken")

    assert metrics.get("tokens", kind="input") == 7
    assert metrics.get("tokens", kind="output") == 0
    assert metrics.get("calls_broken") == 1


def test_times_are_given_in_milliseconds_and_told_in_seconds() -> None:
    metrics = Metrics()
    metrics.took("response_seconds", 640)
    metrics.took("response_seconds", 3001)

    def sample(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"{PREFIX}response_seconds_{name}", labels)

    assert metrics.get("response_seconds") == 2
    assert sample("sum") == pytest.approx(3.641)
    assert (sample("bucket", le="0.5"), sample("bucket", le="0.75"), sample("bucket", le="3.0")) == (0, 1, 1)


def test_two_servers_of_a_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.add("webhooks")

    assert (one.get("webhooks"), other.get("webhooks")) == (1, 0)


@pytest.mark.parametrize("labels", [{}, {"kind": "input", "model": "a"}, {"model": "a"}])
def test_what_is_not_declared_is_not_counted(labels: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="label"):
        Metrics().add("tokens", 1, **labels)


def test_every_name_that_is_counted_anywhere_is_declared_and_every_declared_one_is_counted() -> None:
    package = Path(voice_agent.__file__).parent
    text = "".join(path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    counted = set(re.findall(r'metrics\.add\(\s*"(\w+)"', text))
    timed = set(re.findall(r'metrics\.took\(\s*"(\w+)"', text))
    by_note = set(_OF_THE_MODEL.values())

    assert counted | by_note == COUNTS.keys()
    assert timed == TIMES.keys()


def test_every_metric_says_what_it_is() -> None:
    texts = [text for text, _ in COUNTS.values()] + [text for text, _, _ in TIMES.values()]

    assert all(text.endswith(".") for text in texts)
    assert len(set(texts)) == len(texts)
