import numpy as np

from voice_agent.audio import mulaw
from voice_agent.audio.hold_clip import NOTE_MS, hold_clip
from voice_agent.live.clips import load_clips


def test_the_packaged_clip_is_the_one_that_is_made_here() -> None:
    # Silence has two codes in mu-law, of which a WAV file of samples keeps one.
    assert np.array_equal(mulaw.decode(load_clips()["hold"]), mulaw.decode(hold_clip()))


def test_it_is_soft_and_begins_and_ends_in_silence() -> None:
    samples = np.abs(mulaw.decode(hold_clip()))

    assert len(samples) == 2 * NOTE_MS * 8
    assert samples[:80].max() < 100
    assert samples[-80:].max() < 100
    assert 2000 < samples.max() < 3000
