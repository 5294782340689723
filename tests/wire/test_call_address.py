import pytest

from voice_agent.errors import ConfigError
from voice_agent.wire.call_address import call_address
from voice_agent.wire.endpoint import Provider, endpoint


@pytest.mark.parametrize(
    ("provider", "base", "expected"),
    [
        ("openai", "", "https://api.openai.com/v1/realtime"),
        ("azure", "https://res.openai.azure.com", "https://res.openai.azure.com/openai/v1/realtime"),
        ("emulator", "ws://127.0.0.1:9000", "http://127.0.0.1:9000/v1/realtime"),
    ],
)
def test_calls_stand_beside_the_socket(provider: Provider, base: str, expected: str) -> None:
    where = endpoint(provider, model="mine", key="k" if provider != "emulator" else "", base_url=base)
    address = call_address(where)
    sideband = address.sideband(where, "rtc_1")

    assert address.base == expected
    assert address.model == "mine"
    assert address.secrets == f"{expected}/client_secrets"
    assert address.calls == f"{expected}/calls"
    assert address.hang_up("rtc_1") == f"{expected}/calls/rtc_1/hangup"
    assert sideband.url == f"ws{expected[4:]}?call_id=rtc_1"
    assert sideband.headers == where.headers


def test_the_preview_has_no_calls() -> None:
    where = endpoint("azure", url="wss://res.openai.azure.com/openai/realtime?api-version=1&deployment=d", key="k")

    with pytest.raises(ConfigError, match="REALTIME_URL: must be of the form"):
        call_address(where)
