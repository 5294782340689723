import pytest

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


def test_every_metric_says_what_it_is() -> None:
    texts = [text for text, _ in COUNTS.values()] + [text for text, _, _ in TIMES.values()]

    assert all(text.endswith(".") for text in texts)
    assert len(set(texts)) == len(texts)
