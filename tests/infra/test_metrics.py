"""The names that alerts and autoscalers ask for exist in /metrics, with the labels that they ask by."""

import re
from pathlib import Path

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.infra.templates import documents, manifest
from tests.server.test_metrics_page import page_of
from voice_agent.live.admission import Refusal
from voice_agent.live.metrics import ANSWER_S, COUNTS, PREFIX, Metrics

ASKED = re.compile(r"\b(voice_agent_\w+)(?:\{([^}]*)\})?")


def names(folder: Path) -> set[str]:
    """Every name that /metrics may tell."""
    found = set()
    for family in text_string_to_metric_families(page_of(folder, in_store=0)):
        endings = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}.get(family.type, ("",))
        found |= {family.name + ending for ending in endings}
    return found


def rules() -> list[dict[str, str]]:
    (file,) = documents("prometheus/alerts.yaml")
    return [rule for group in file["groups"] for rule in group["rules"]]


def test_the_metrics_of_the_alerts_exist(tmp_path: Path) -> None:
    asked = {name for rule in rules() for name, _ in ASKED.findall(rule["expr"])}

    assert asked - names(tmp_path) == set()
    assert len(asked) >= 10


def test_an_alert_names_metrics_that_exist_where_it_says_what_to_do(tmp_path: Path) -> None:
    told = {name for rule in rules() for name, _ in ASKED.findall(yaml.safe_dump(rule["annotations"]))}

    assert told <= {name.removesuffix("_count") for name in names(tmp_path)}


def test_the_labels_of_the_alerts_exist() -> None:
    asked = {pair for rule in rules() for pair in ASKED.findall(rule["expr"]) if pair[1]}

    for name, labels in asked:
        ((label, value),) = re.findall(r'(\w+)=~?"([^"]*)"', labels)
        counted = name.removeprefix(PREFIX).removesuffix("_total")
        if label == "le":
            assert float(value) in ANSWER_S
        else:
            assert label in COUNTS[counted][1]
        if counted == "refused":
            assert set(value.split("|")) <= {refusal.value for refusal in Refusal}


def test_what_an_alert_watches_the_increase_of_is_told_from_0_on() -> None:
    told = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in Metrics().registry.collect()
        for sample in family.samples
    }
    watched = {pair for rule in rules() for pair in re.findall(r"increase\((\w+)(?:\{([^}]*)\})?", rule["expr"])}
    assert len(watched) >= 10
    for name, asked in watched:
        labels = COUNTS[name.removeprefix(PREFIX).removesuffix("_total")][1]
        known = re.sub(r'.*"(.*)"', r"\1", asked).split("|") if asked else ["none", "429", "503"]

        assert {told[name, (value,)] for value in known} == {0} if labels else told[name, ()] == 0, name


def test_whoever_is_turned_away_without_having_called_too_often_is_told_by_an_alert() -> None:
    told = {reason for rule in rules() for reason in re.findall(r'reason=~"([^"]*)"', rule["expr"])}
    limits = {Refusal.TOO_MANY_CALLS, Refusal.TOO_BUSY, Refusal.NUMBER_CALLED_TOO_OFTEN, Refusal.DAY_IS_SPENT}

    assert {reason for some in told for reason in some.split("|")} == limits
    assert any("voice_agent_unanswered_total" in rule["expr"] for rule in rules())


def test_servers_that_are_gone_are_told_by_an_alert() -> None:
    assert any("absent(voice_agent_ready)" in rule["expr"] for rule in rules())


def test_the_metric_of_the_autoscaler_exists(tmp_path: Path) -> None:
    scaler = manifest("HorizontalPodAutoscaler")["spec"]
    (metric,) = scaler["metrics"]

    assert metric["pods"]["metric"]["name"] in names(tmp_path)


def test_the_autoscaler_begins_before_a_pod_is_full() -> None:
    (metric,) = manifest("HorizontalPodAutoscaler")["spec"]["metrics"]
    most = int(manifest("ConfigMap")["data"]["MAX_CALLS"])

    assert int(metric["pods"]["target"]["averageValue"]) <= 0.7 * most
