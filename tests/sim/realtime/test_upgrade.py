import json

import pytest

from voice_agent.sim.realtime.upgrade import STATUSES, refuse_upgrade
from voice_agent.wire.endpoint import Endpoint, explain_refusal


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("azure", [True, False])
def test_every_refusal_reads_as_the_vendors_and_is_understood(status: int, azure: bool) -> None:
    refusal = refuse_upgrade(status, azure=azure, model="mine", retry_after_s=7)
    error = json.loads(refusal.body)["error"]

    assert set(error) == ({"code", "message"} if azure else {"message", "type", "param", "code"})
    assert "{" not in error["message"]
    assert refusal.headers == ({"Retry-After": "7"} if status in (429, 503) else {})
    explained = explain_refusal(status, refusal.body, Endpoint("ws://127.0.0.1/v1/realtime", {}))
    assert explained.startswith(f"HTTP {status}: ")
    assert error["message"][:40] in explained


def test_azures_own_spelling_is_kept() -> None:
    body = refuse_upgrade(400, azure=True, model="gpt-realtime-whisper", retry_after_s=1).body

    assert json.loads(body)["error"]["code"] == "OpperationNotSupported"
    assert "gpt-realtime-whisper" in body
