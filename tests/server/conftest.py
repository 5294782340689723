"""Every call that these tests hold and record is replayed: a difference is a fault of the recorder or of the core."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from voice_agent.live.clips import hashes, load_clips
from voice_agent.recording.reader import read
from voice_agent.replay.strict import replay


@pytest.fixture(autouse=True)
def every_recording_replays(request: pytest.FixtureRequest) -> Iterator[None]:
    """Look at what the test left behind, once it has passed."""
    folder: Path | None = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    if folder is None:
        return
    clips = load_clips()
    for path in folder.rglob("*.call"):
        recording = read(path)
        if recording.header.clips.items() <= hashes(clips).items():
            result = replay(recording, clips)
            assert result.difference is None, f"{path.name}: {result.difference}"
