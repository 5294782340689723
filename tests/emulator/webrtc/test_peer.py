import pytest

from voice_agent.emulator.webrtc.peer import reachable
from voice_agent.errors import PeerError


def test_an_answer_without_an_address_is_told_and_not_sent() -> None:
    with pytest.raises(PeerError, match="no network interface"):
        reachable("v=0\r\n")


def test_an_answer_with_an_address_is_sent() -> None:
    sdp = "v=0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"

    assert reachable(sdp) == sdp
