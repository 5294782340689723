"""Every recording of this folder, held again by today's code: what must never happen does not, and nothing is missing.

That they are the same strictly is looked at by the plug-in, file by file.
"""

from pathlib import Path

import pytest

from voice_agent.live.clips import load_clips
from voice_agent.replay.judging import judge_file

CALLS = sorted(Path(__file__).resolve().parent.glob("*.call"))


@pytest.mark.parametrize("path", CALLS, ids=lambda path: path.stem)
def test_a_recorded_call_can_be_held_again(path: Path) -> None:
    verdict = judge_file(path, "resimulated", load_clips())

    assert verdict.failures == ()
    assert verdict.call.diverged == []
