"""Whoever stops a server waits for its drain and a minute more; whoever closes idle connections waits for a call."""

import re

from tests.infra.templates import INFRA, documents, manifest, pod, unit, unit_environment
from voice_agent.config.settings import Settings
from voice_agent.live.lobby import KEPT_SECONDS
from voice_agent.server.http_server import SHUTDOWN_SECONDS
from voice_agent.server.run import AFTER_STREAM_SECONDS, END_SECONDS

MINUTE = 60
USUAL = Settings().drain_seconds


def test_what_follows_a_drain_takes_less_than_the_minute() -> None:
    assert END_SECONDS + KEPT_SECONDS + AFTER_STREAM_SECONDS + SHUTDOWN_SECONDS < MINUTE / 2


def test_compose_waits_for_the_drain_and_a_minute() -> None:
    (compose,) = documents("docker/compose.yaml")

    assert compose["services"]["voice-agent"]["stop_grace_period"] == f"{USUAL + MINUTE}s"


def test_systemd_waits_for_the_drain_and_a_minute() -> None:
    drain = int(unit_environment()["DRAIN_SECONDS"])

    assert unit("voice-agent.service")["TimeoutStopSec"] == [str(drain + MINUTE)]


def test_kubernetes_waits_for_the_drain_and_a_minute_of_which_the_hook_takes_a_part() -> None:
    drain = int(manifest("ConfigMap")["data"]["DRAIN_SECONDS"])
    hook = pod()["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]

    assert pod()["terminationGracePeriodSeconds"] == drain + MINUTE
    assert hook + END_SECONDS + KEPT_SECONDS + AFTER_STREAM_SECONDS + SHUTDOWN_SECONDS < MINUTE


def test_proxies_keep_a_stream_for_as_long_as_a_call_may_last() -> None:
    longest = 3600
    notes = manifest("Ingress")["metadata"]["annotations"]
    limits = [value for name, value in notes.items() if "timeout" in name]
    caddy = (INFRA / "vm" / "Caddyfile").read_text(encoding="utf-8")
    limits += re.findall(r"(?:stream_timeout|stream_close_delay|grace_period) (\w+)", caddy)

    assert len(limits) == 9
    assert [limit for limit in limits if seconds(limit) < longest] == []


def seconds(limit: str) -> int:
    return int(limit.removesuffix("h")) * 3600 if limit.endswith("h") else int(limit)
