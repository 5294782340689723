import base64

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.realtime_client import VirtualClient, tone
from voice_agent.sim.realtime.voices import HUNDREDTHS, Tape


@pytest.mark.parametrize("hundredths", sorted(set(HUNDREDTHS.values())))
def test_a_voice_is_deeper_or_higher_by_its_hundredths(hundredths: int) -> None:
    played = np.frombuffer(Tape(hundredths).feed(tone(1000)), "<i2")
    spectrum = np.abs(np.fft.rfft(played))

    assert len(played) == pytest.approx(24_000 * 100 / hundredths, abs=2)
    assert np.argmax(spectrum) * 24_000 / len(played) == pytest.approx(440 * hundredths / 100, abs=1.5)
    assert np.abs(played).max() <= 8000


@given(st.lists(st.integers(0, 700), max_size=20), st.sampled_from(sorted(HUNDREDTHS.values())))
def test_the_pieces_do_not_matter(sizes: list[int], hundredths: int) -> None:
    audio = tone(300)[: 2 * sum(sizes)]
    whole, tape, pieces, start = Tape(hundredths).feed(audio), Tape(hundredths), b"", 0
    for size in sizes:
        pieces += tape.feed(audio[start : start + 2 * size])
        start += 2 * size

    assert pieces == whole


@pytest.mark.parametrize(("voice", "slower"), [("marin", False), ({"id": "voice_1"}, False), ("cedar", True)])
def test_a_session_speaks_in_the_voice_that_it_was_given(voice: object, slower: bool) -> None:
    client = VirtualClient()
    client.setup(audio={"output": {"voice": voice}})
    client.send(type="response.create", response={"instructions": "Say hello."})
    client.wait(3000)
    spoken = sum(len(base64.b64decode(event["delta"])) for event in client.of("response.output_audio.delta"))

    assert spoken == pytest.approx(48 * 270 / (0.92 if slower else 1), abs=8)


def test_a_voice_that_there_is_not_is_refused_by_name() -> None:
    client = VirtualClient()
    session = {"type": "realtime", "audio": {"output": {"voice": "hal"}}}
    (refused,) = client.send(type="session.update", session=session)

    assert refused["error"]["param"] == "session.audio.output.voice"
    assert "'marin'" in refused["error"]["message"]
