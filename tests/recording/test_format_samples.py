"""Files of version 1 stay readable, and can be held again, for ever: `samples` has one of each kind.

None of them is ever made anew. What each holds is told here by a digest of all its steps: a test that fails has found a
reader that lost something.
"""

import hashlib
from pathlib import Path

import msgspec
import pytest

from tests.support.recorded import append, caller_media, header, model_delta
from voice_agent.live.clips import load_clips
from voice_agent.recording.cutting import seal
from voice_agent.recording.entries import Entry, Step
from voice_agent.recording.format import VERSION
from voice_agent.recording.reader import Recording, read
from voice_agent.replay.resimulated import resimulate

FOLDER = Path(__file__).parent / "samples"


class Sample(msgspec.Struct, frozen=True):
    steps: int
    digest: str
    dialect: str
    model_audio: str
    audio: str
    ended: str
    """As it ends when it is held again."""
    cut_at: int | None = None
    redacted: bool = False


SAMPLES = {
    "g711": Sample(382, "269bdccc1fcb58169542f37b5a040f03", "ga", "g711", "kept", "caller_hung_up"),
    "pcm24k": Sample(136, "f35ad682fe64926db7290cad4eb74e38", "ga", "pcm24k", "kept", "caller_hung_up"),
    "preview": Sample(408, "7ee87f950e1738a08e352912a652c82f", "preview", "g711", "kept", "caller_hung_up"),
    "text-only": Sample(1185, "9096be5eb639b064a50a9189560ea6a9", "ga", "pcm24k", "digests", "completed"),
    "redacted": Sample(677, "25d7f06123b78cec9b25f52173c63ce1", "ga", "g711", "kept", "caller_hung_up", redacted=True),
    "cut-short": Sample(371, "8382375f1d78f6017f21ab9447f9eff1", "ga", "g711", "kept", "", cut_at=37216),
}


def digest(steps: list[Step]) -> str:
    return hashlib.blake2b(msgspec.msgpack.encode(steps), digest_size=16).hexdigest()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_holds_what_it_always_held(name: str) -> None:
    sample, recording = SAMPLES[name], read(FOLDER / f"version-1-{name}.call")
    steps = list(recording.steps())
    model = recording.header.setup.model

    assert (len(steps), digest(steps)) == (sample.steps, sample.digest)
    assert (model.dialect, model.audio, recording.header.audio) == (sample.dialect, sample.model_audio, sample.audio)
    assert (recording.cut_at, recording.header.redacted) == (sample.cut_at, sample.redacted)


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_can_be_held_again(name: str) -> None:
    sample, recording = SAMPLES[name], read(FOLDER / f"version-1-{name}.call")
    found = resimulate(recording, load_clips())

    assert found.broken == ()
    # How much of an answer was heard that was cut while it was being made is an estimate, and may become a better one.
    for now, then in zip(found.now.said, found.then.said, strict=True):
        assert now == then or (then.startswith(now) and now)
    assert found.now.ended == sample.ended


AUDIO = bytes(range(160))


def every_row() -> list[Step]:
    """What the sample `every-row` was made of; no bridge ever gave it."""
    fed = [Step(0, None, (Entry("fact", '{"type":"ConnectModel"}'),))]
    for n in range(12):
        fed.append(Step(n * 20, caller_media(n, AUDIO[n:]), (append(AUDIO[n:]),)))
        fed.append(Step(n * 20 + 3, model_delta(AUDIO * 2, f"event_{n}")))
    fed.append(Step(2000, Entry("remark", '{"what":"the phone is gone: 1 text was not written"}')))
    return fed


def test_the_sample_of_every_row_holds_what_it_was_made_of() -> None:
    recording = read(FOLDER / "version-1-every-row.call")
    expected = [
        Step(step.now_ms, step.received, tuple(Entry(sent.way, seal(sent.way, sent.text)) for sent in step.sent))
        for step in every_row()
    ]

    assert list(recording.steps()) == expected
    assert recording.cut_at is None
    assert recording.header == msgspec.structs.replace(header(model_audio="pcm24k"), setup=recording.header.setup)
    assert recording.header.setup.agent.name == "reception"


def test_there_is_a_sample_of_each_kind_of_every_version() -> None:
    kinds = {*SAMPLES, "every-row"}

    assert kinds == {"g711", "pcm24k", "preview", "text-only", "redacted", "cut-short", "every-row"}
    for version in range(1, VERSION + 1):
        found = {path.stem for path in FOLDER.glob(f"version-{version}-*.call")}
        assert found >= {f"version-{version}-{kind}" for kind in kinds}
        assert all(Recording((FOLDER / f"{name}.call").read_bytes()).header for name in found)
