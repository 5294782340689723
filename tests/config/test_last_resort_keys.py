"""`last_resort` of an agent's file."""

from pathlib import Path

import pytest

from tests.support.agent_files import agent_of, faults_of
from voice_agent.agent import LastResort, Transfer
from voice_agent.audio.wav import write_mono
from voice_agent.config.agent_file import read_agent

DESK = 'tools:\n- transfer: {to: {desk: "+14255550101"}, seconds: 15, from: "+14255550100"}\n'


def test_left_out_it_is_the_packaged_apology_and_nothing_else() -> None:
    assert agent_of("").last_resort is None
    assert agent_of("").hold_sound
    assert not agent_of("hold_sound: false").hold_sound


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("{say: Es tut uns leid.}", LastResort(say="Es tut uns leid.")),
        ("{then: voicemail}", LastResort(then="voicemail")),
        (
            "{then: {transfer: desk}}",
            LastResort(transfer=Transfer(to={"desk": "+14255550101"}, seconds=15, caller_id="+14255550100")),
        ),
        ('{then: {transfer: "+14255550199"}}', LastResort(transfer=Transfer(to={"somebody": "+14255550199"}))),
        (
            '{then: {transfer: "sip:night@pbx.example.com"}}',
            LastResort(transfer=Transfer(to={"somebody": "sip:night@pbx.example.com"})),
        ),
    ],
)
def test_it_is_read_as_it_is_written(written: str, read: LastResort) -> None:
    assert agent_of(f"{DESK}last_resort: {written}\n").last_resort == read


def test_a_clip_stands_beside_the_file(tmp_path: Path) -> None:
    write_mono(tmp_path / "sorry.wav", b"\x90" * 8000)
    text = "name: a\ninstructions: Be brief.\nrecording: off\nlast_resort: {clip: sorry.wav}\n"
    read = read_agent(text, "a.yaml", str(tmp_path)).agent.last_resort

    assert read is not None
    assert len(read.clip) == 8000


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{then: voice_mail}", '"then" cannot be "voice_mail"; write "voicemail"'),
        ("{then: {transfer: dsk}}", '"dsk" is nobody: the agent\'s transfer tools know desk'),
        ("{then: {}}", 'key "transfer" is missing'),
        ("{clip: none.wav}", '"clip" cannot be played: '),
        ("[voicemail]", '"last_resort" must be a mapping'),
        ("{sayy: Oh}", 'unknown key "sayy"'),
    ],
)
def test_what_cannot_be_is_told_where_it_stands(written: str, told: str) -> None:
    (fault,) = faults_of(f"{DESK}last_resort: {written}\n")

    assert told in fault


def test_a_clip_that_is_too_long_is_refused(tmp_path: Path) -> None:
    write_mono(tmp_path / "long.wav", b"\x90" * 8 * 16_000)
    (fault,) = faults_of(f"last_resort: {{clip: {tmp_path / 'long.wav'}}}\n")

    assert '"clip" lasts 16.0 s; make it 15 s at most' in fault
