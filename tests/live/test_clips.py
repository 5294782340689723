from pathlib import Path

from voice_agent.audio.wav import write_mono
from voice_agent.live.clips import hashes, load_clips


def test_clips_are_mu_law_by_the_name_of_their_file(tmp_path: Path) -> None:
    write_mono(tmp_path / "apology.wav", b"\xff" * 800)
    (tmp_path / "README").write_text("not a clip")

    clips = load_clips(tmp_path)

    assert clips == {"apology": b"\xff" * 800}
    assert hashes({"apology": b"abc"}) == {
        "apology": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    }
