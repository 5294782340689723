"""`last_resort` of an agent's file."""

import os
from pathlib import Path

import pytest

from tests.support.agent_files import agent_of, faults_of
from voice_agent.agent import LastResort, Transfer
from voice_agent.audio.wav import write_mono
from voice_agent.config.agent_file import read_agent
from voice_agent.config.last_resort_keys import LARGEST_CLIP_BYTES

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


@pytest.mark.parametrize("elsewhere", ["/dev/zero", "../sorry.wav", "sounds/../../sorry.wav"])
def test_a_clip_from_elsewhere_is_not_looked_at(elsewhere: str) -> None:
    assert faults_of(f"last_resort: {{clip: {elsewhere}}}\n") == [
        'a.yaml:3:21: "clip" stands beside this file, or in a folder there; write e.g. sorry.wav'
    ]


def test_what_is_no_file_or_too_large_is_not_read_as_a_clip(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")  # whoever read it would wait for ever
    (tmp_path / "folder.wav").mkdir()
    with (tmp_path / "large.wav").open("wb") as file:
        file.truncate(LARGEST_CLIP_BYTES + 1)
    for name in ("pipe.wav", "folder.wav", "large.wav"):
        told = faults_of(f"last_resort: {{clip: {name}}}\n", folder=str(tmp_path))
        assert told == ['a.yaml:3:21: "clip" is no WAV file of 15 s at most']


def test_a_clip_that_is_too_long_is_refused(tmp_path: Path) -> None:
    write_mono(tmp_path / "long.wav", b"\x90" * 8 * 16_000)
    (fault,) = faults_of("last_resort: {clip: long.wav}\n", folder=str(tmp_path))

    assert '"clip" lasts 16.0 s; make it 15 s at most' in fault
