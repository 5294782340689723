import contextlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from tests.support.recorded import with_cause, write
from tests.support.simulated import header_of, setup, simulated_call, steps_of
from tests.support.stored import FileHistory
from voice_agent.audio.wav import read_mulaw
from voice_agent.call.events import TranscriptionUsage, Usage
from voice_agent.call.summary import Summary
from voice_agent.cli.main import main
from voice_agent.errors import PeerError
from voice_agent.recording.reader import Recording, read
from voice_agent.recording.telling import clock, summarise
from voice_agent.replay import strict
from voice_agent.replay.expectations import expected_of
from voice_agent.store.database import FILE_NAME
from voice_agent.store.history import PastCall, call_not_taken, past_call
from voice_agent.store.search import percentiles

DATA = write(header_of(setup()), steps_of(simulated_call(), setup()))
SID = setup().call_sid
CALLS = Path(__file__).resolve().parent.parent / "calls"


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileHistory:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA", str(tmp_path / "data"))
    return FileHistory(tmp_path / "data" / FILE_NAME)


@pytest.fixture
def call(history: FileHistory) -> PastCall:
    path = history.path.parent / "one.call"
    path.parent.mkdir()
    path.write_bytes(DATA)
    call = past_call(setup(), summarise(Recording(DATA)), datetime(2026, 11, 22, 10, tzinfo=UTC), path)
    history.add(call)
    return call


def last_ms(path: Path) -> int:
    """Up to when a recording that was cut short can be read."""
    last = 0
    with contextlib.suppress(PeerError):
        for step in read(path).steps():
            last = step.now_ms
    return last


def run(capsys: pytest.CaptureFixture[str], *values: str) -> tuple[int, str]:
    status = main(["calls", *values])
    captured = capsys.readouterr()
    return status, captured.out + captured.err


def test_before_the_first_call_the_list_says_so(history: FileHistory, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "list") == (0, f"no calls yet ({history.path})\n")


@pytest.mark.parametrize("words", [["list"], ["show", SID], ["export", SID, "out.call"]])
def test_a_folder_of_the_services_own_is_one_line_to_whoever_may_not_look_into_it(
    history: FileHistory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    closed = history.path.parent.parent / ("x" * 300)  # asking for what is in it fails likewise, for root, too
    monkeypatch.setenv("DATA", str(closed))

    status, told = run(capsys, *words)

    assert status == 2
    assert told == (
        f"voice-agent: {closed}/{FILE_NAME} cannot be made or read (File name too long): "
        "be a user who may, or name another folder in DATA\n"
    )


def test_the_list_says_how_long_calls_are_kept(
    history: FileHistory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEP_DAYS", "30")

    assert run(capsys, "list")[1].splitlines()[-1] == "`serve` deletes calls after 30 days (KEEP_DAYS)"


def test_a_call_that_no_agent_took_is_listed_and_says_why_it_has_no_recording(
    history: FileHistory, capsys: pytest.CaptureFixture[str]
) -> None:
    began = datetime(2026, 11, 23, tzinfo=UTC)
    history.add(
        call_not_taken("CA1", "unanswered", "there is no agent for it", began, agent="", caller="+1", called="+2")
    )

    assert " ".join(run(capsys, "list")[1].splitlines()[1].split()[2:]) == "CA1 - +1 00:00 0 0 0 - unanswered"
    assert "ended         unanswered: there is no agent for it\n" in run(capsys, "show", "CA1")[1]
    assert run(capsys, "export", "CA1", "x.wav") == (2, "voice-agent: CA1 was not recorded: no agent took it\n")


def test_the_list_is_a_table_with_the_latest_first(
    history: FileHistory, call: PastCall, capsys: pytest.CaptureFixture[str]
) -> None:
    later = past_call(
        msgspec.structs.replace(setup(), call_sid="CA1", caller=""), Summary(), datetime(2026, 11, 23, tzinfo=UTC), None
    )
    history.add(later)
    status, out = run(capsys, "list")
    rows = [line.split() for line in out.splitlines()]

    assert status == 0
    assert rows[0][:6] == ["STARTED", "(UTC)", "CALL", "AGENT", "CALLER", "LENGTH"]
    assert rows[0][6:] == ["TURNS", "CUTS", "TOOLS", "COST", "OUTCOME"]
    assert rows[1] == ["2026-11-23", "00:00:00", "CA1", "reception", "-", "00:00", "0", "0", "0", "-", "unknown"]
    assert rows[2][:6] == ["2026-11-22", "10:00:00", SID, "reception", "+14255550123", "00:15"]
    assert len(run(capsys, "list", "--limit", "1")[1].splitlines()) == 2
    assert run(capsys, "list", "--limit", "0") == (2, "voice-agent: --limit must be 1 or more\n")
    assert call.outcome in rows[2]


def test_after_data_has_moved_the_recording_is_shown_where_it_lies_now(
    history: FileHistory, call: PastCall, capsys: pytest.CaptureFixture[str]
) -> None:
    former = Path("/another/disk/recordings/2026-11-22") / "one.call"
    day = history.path.parent / "recordings" / "2026-11-22"
    day.mkdir(parents=True)
    moved = msgspec.structs.replace(call, call_sid="CA1", recording=str(former))
    history.add(moved)
    gone = run(capsys, "show", "CA1")[1]
    (day / "one.call").write_bytes(DATA)

    assert f"recording     {former}\n" in gone
    assert f"recording     {day / 'one.call'}\n" in run(capsys, "show", "CA1")[1]


def test_the_median_that_is_shown_is_that_of_the_console(
    history: FileHistory, capsys: pytest.CaptureFixture[str]
) -> None:
    call = past_call(setup(), Summary(), datetime(2026, 11, 23, tzinfo=UTC), None)
    history.path.parent.mkdir()
    history.add(msgspec.structs.replace(call, response_ms=[720, 740]))
    found = percentiles([720, 740])

    assert found is not None
    assert f" {found.p50} ms in the median, 740 ms at most" in run(capsys, "show", SID)[1]


def test_a_file_is_shown_like_a_call_and_named_when_it_is_none(
    history: FileHistory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "refund.call").write_bytes(DATA)
    (tmp_path / "no.call").write_bytes(b"RIFF")

    status, out = run(capsys, "show", str(tmp_path / "refund.call"))
    assert status == 0
    assert re.search(r"^call +CA00", out, re.MULTILINE)
    assert f"{tmp_path}/refund.call" in out
    assert run(capsys, "export", "refund.call", "refund.txt")[0] == 0
    assert run(capsys, "show", "no.call") == (
        2,
        "voice-agent: no.call: not a recording: it does not begin as a .call file does\n",
    )
    assert "gone.call: cannot be read: No such file" in run(capsys, "show", "gone.call")[1]


def test_a_call_is_shown_with_its_transcript_and_its_files(call: PastCall, capsys: pytest.CaptureFixture[str]) -> None:
    status, out = run(capsys, "show", "ca00")

    assert status == 0
    assert f"call          {SID}\n" in out
    assert "from, to      +14255550123, +14255550100\n" in out
    assert "interruptions, 0 tool calls" in out
    assert "ms in the median" in out
    assert f"recording     {call.recording}\n" in out
    assert "  Caller  hello\n" in out
    assert "heard)\n" in out


def test_a_tool_that_failed_is_shown_with_why_as_long_as_the_recording_is_there(
    history: FileHistory, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = read(CALLS / "tool-failed.call")
    path = history.path.parent / "one.call"
    path.parent.mkdir()
    path.write_bytes(with_cause(failed, "GET https://shop.example: HTTP 500: no such table"))
    history.add(past_call(failed.header.setup, summarise(failed), datetime(2026, 11, 22, 10, tzinfo=UTC), path))

    def tool() -> str:
        return next(line for line in run(capsys, "show", "CA")[1].splitlines() if "  Tool  " in line)

    assert tool().endswith('"}, because of GET https://shop.example: HTTP 500: no such table)')
    path.unlink()
    assert tool().endswith('"})')


def test_the_timeline_shows_what_crossed_the_wires(call: PastCall, capsys: pytest.CaptureFixture[str]) -> None:
    assert call.recording
    status, out = run(capsys, "show", SID, "--timeline")

    assert status == 0
    assert '> model  {"type":"input_audio_buffer.speech_started"' in out.replace('": "', '":"')
    assert "* CallerBegan\n" in out


def test_the_sound_is_written_where_it_is_asked_for(
    call: PastCall, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out = run(capsys, "show", SID, "--wav", "call.wav")

    assert status == 0
    assert "wrote call.wav: caller left, agent right" in out
    assert abs(len(read_mulaw(tmp_path / "call.wav", 1)) // 8 - call.duration_ms) < 1000


def test_a_call_is_exported_in_the_form_that_the_ending_names(
    call: PastCall, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("out.call", "out.wav", "out.txt", "out.json"):
        assert run(capsys, "export", SID, name) == (0, f"wrote {name}\n")

    assert (tmp_path / "out.call").read_bytes() == DATA
    assert (tmp_path / "out.wav").stat().st_size > 100_000
    assert "  Caller  hello\n" in (tmp_path / "out.txt").read_text()
    assert json.loads((tmp_path / "out.json").read_text())["duration_ms"] == call.duration_ms


def test_a_call_is_exported_without_what_must_not_leave(
    call: PastCall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.txt").write_text("hello\n")
    monkeypatch.setenv("REDACT_WORDS", "words.txt")
    for name in ("out.call", "out.wav", "out.txt", "out.json"):
        assert run(capsys, "export", SID, name, "--redact") == (0, f"wrote {name}, redacted\n")

    recording = read(tmp_path / "out.call")
    assert recording.header.redacted
    assert strict.replay(recording, {}).same
    assert not read_mulaw(tmp_path / "out.wav", 0).strip(b"\xff")
    assert "  Caller  [redacted]\n" in (tmp_path / "out.txt").read_text()
    assert "Keys    0\n" in (tmp_path / "out.txt").read_text()
    exported = json.loads((tmp_path / "out.json").read_text())
    assert (exported["caller"], exported["called"], exported["recording"]) == ("+00000000000", "+00000000000", None)
    assert (exported["started_at"], exported["duration_ms"]) == (call.started_at, call.duration_ms)
    assert Path(str(call.recording)).read_bytes() == DATA


def test_the_folder_of_an_exported_call_is_made(
    call: PastCall, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "tests/calls/refund.call"

    assert run(capsys, "export", call.call_sid, name) == (0, f"wrote {name}\n")
    assert (tmp_path / name).read_bytes() == DATA


def test_a_draft_of_what_is_expected_stands_beside_an_exported_call_and_holds_of_it(
    call: PastCall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.txt").write_text("hello\n")
    monkeypatch.setenv("REDACT_WORDS", "words.txt")
    drafted = "wrote out.call, redacted\nwrote out.expect.yaml, a draft: keep what must stay so\n"
    assert run(capsys, "export", call.call_sid, "out.call", "--redact", "--expect") == (0, drafted)
    expected = (tmp_path / "out.expect.yaml").read_text()
    kept = "wrote out.call\nout.expect.yaml is there already, and stays\n"
    assert run(capsys, "export", call.call_sid, "out.call", "--expect") == (0, kept)
    goes_with = "voice-agent: out.wav: --expect goes with a .call, beside which expectations stand\n"

    assert run(capsys, "export", call.call_sid, "out.wav", "--expect") == (2, goes_with)
    assert (tmp_path / "out.expect.yaml").read_text() == expected
    assert "hello" not in expected
    assert expected_of(tmp_path / "out.call") is not None
    assert not (tmp_path / "out.wav").exists()


def test_a_broken_list_of_words_is_one_line_and_nothing_is_written(
    call: PastCall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "words.txt").write_text("hello\nre: (\n")
    for words, problem in (
        ("words.txt", "words.txt:2: '(' is no regular"),
        ("none.txt", "REDACT_WORDS: none.txt cannot be read (No such"),
    ):
        monkeypatch.setenv("REDACT_WORDS", words)
        status, out = run(capsys, "export", call.call_sid, "out.call", "--redact")

        assert status == 2
        assert problem in out
        assert out.count("\n") == 1
    assert not (tmp_path / "out.call").exists()


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (["export", SID, "out.mp3"], "the ending says what to write; it must be one of .call, .wav, .txt, .json"),
        (["export", SID, "file/out.txt"], "file/out.txt cannot be written: File exists"),
        (["show", "CAff"], "no call CAff in "),
    ],
)
def test_what_cannot_be_done_is_one_line(
    values: list[str], problem: str, call: PastCall, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert call.recording
    status, out = run(capsys, *values)

    assert status == 2
    assert out.startswith("voice-agent: ")
    assert problem in out
    assert out.count("\n") == 1


def test_a_beginning_of_several_calls_names_them(
    history: FileHistory, call: PastCall, capsys: pytest.CaptureFixture[str]
) -> None:
    history.add(msgspec.structs.replace(call, call_sid="CA0f"))
    history.add(msgspec.structs.replace(call, call_sid="CA0f"))

    assert run(capsys, "show", "CA0") == (2, f"voice-agent: CA0 is the beginning of several calls: {SID}, CA0f\n")
    assert run(capsys, "show", "CA0f")[0] == 0


def test_a_call_of_several_streams_is_shown_and_exported_as_its_parts(
    history: FileHistory, call: PastCall, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    history.add(msgspec.structs.replace(call, started_at="2026-11-22T10:05:00.000+00:00", reason="the second"))
    status, out = run(capsys, "show", SID, "--wav", "both.wav")

    assert status == 0
    assert [line.split(maxsplit=1)[1] for line in out.splitlines() if line.startswith("part")] == ["1 of 2", "2 of 2"]
    assert out.index("part          1 of 2") < out.index("part          2 of 2") < out.index("the second")
    assert run(capsys, "export", SID, "both.call") == (0, "wrote both.call\nwrote both-2.call\n")
    names = {path.name for path in tmp_path.iterdir()}
    assert names >= {"both.wav", "both-2.wav", "both.call", "both-2.call"}


def test_a_call_without_its_recording_is_shown_and_not_exported(
    history: FileHistory, call: PastCall, capsys: pytest.CaptureFixture[str]
) -> None:
    history.add(msgspec.structs.replace(call, call_sid="CA1", recording=None, reason="goodbye"))
    Path(str(call.recording)).unlink()

    assert "ended         " in run(capsys, "show", "CA1")[1]
    assert "was not recorded" in run(capsys, "export", "CA1", "out.call")[1]
    assert "is not there any more" in run(capsys, "export", SID, "out.call")[1]
    assert "was not recorded" in run(capsys, "export", "CA1", "out.txt", "--redact")[1]


def test_a_call_whose_process_died_is_found_by_its_recording(
    history: FileHistory, call: PastCall, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = history.path.parent / "recordings" / "2026-11-23"
    folder.mkdir(parents=True)
    lost = msgspec.structs.replace(setup(), call_sid="CAdead")
    header = msgspec.structs.replace(header_of(lost), started_at="2026-11-23T10:00:00.000+00:00")
    data = write(header, steps_of(simulated_call(), lost))
    (folder / "two.call").write_bytes(data[: len(data) // 2])
    (folder / "ended.call").write_bytes(write(header, steps_of(simulated_call(), lost)))
    (folder / "three.call").write_text("nothing")
    (folder / "one.call").write_bytes(DATA)
    rows = [line.split() for line in run(capsys, "list")[1].splitlines()]

    assert [row[2] for row in rows[1:]] == ["CAdead", "CAdead", call.call_sid]
    assert sorted(row[-1] for row in rows[1:3]) == [call.outcome, "unknown"]
    assert run(capsys, "show", "cadead")[0] == 0
    (folder / "ended.call").unlink()
    shown = run(capsys, "show", "cadead")[1]
    assert "ended         unknown: in progress, or its process died" in shown
    assert f"length        {clock(last_ms(folder / 'two.call'))}" in shown
    assert run(capsys, "export", "CAdead", "out.call")[0] == 0


def test_a_file_that_is_no_recording_is_named(call: PastCall, capsys: pytest.CaptureFixture[str]) -> None:
    Path(str(call.recording)).write_text("nothing")

    assert "one.call: not a recording" in run(capsys, "show", SID, "--timeline")[1]


def test_a_call_of_a_model_with_a_price_shows_what_it_cost(
    history: FileHistory, call: PastCall, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = Usage(input_tokens=1000, cached_tokens=500, input_audio_tokens=0, output_tokens=100)
    for sid, model in (("CA1", "gpt-realtime-2.1"), ("CA2", "mine")):
        history.add(msgspec.structs.replace(call, call_sid=sid, model=model, usage=usage))
    costs = {row.split()[2]: row.split()[-2] for row in run(capsys, "list")[1].splitlines()[1:]}

    assert costs == {"CA1": "0.0046", "CA2": "?", SID: "-"}
    assert "model, cost   gpt-realtime-2.1, 0.0046 USD\n" in run(capsys, "show", "CA1")[1]
    assert 'model, cost   mine, price unknown (PRICES has no "mine")\n' in run(capsys, "show", "CA2")[1]
    assert "model, cost" not in run(capsys, "show", SID)[1]


@pytest.mark.parametrize(
    ("usage", "shown"),
    [
        (TranscriptionUsage(1300, 9), "transcription 1,300 tokens in, 9 out, billed apart\n"),
        (TranscriptionUsage(audio_ms=61_400), "transcription 61 s of the caller, billed apart\n"),
    ],
)
def test_the_transcription_of_the_caller_is_told_apart(
    history: FileHistory, call: PastCall, usage: TranscriptionUsage, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    history.add(msgspec.structs.replace(call, call_sid="CA1", transcription=usage))

    assert shown in run(capsys, "show", "CA1")[1]


def test_a_call_whose_recording_is_in_an_object_store_is_shown_exported_and_replayed(
    history: FileHistory, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"file://{tmp_path}/store"
    monkeypatch.setenv("RECORDINGS_URL", url)
    name = f"2026-11-22/20261122T100000-{SID}.call"
    (tmp_path / "store" / name).parent.mkdir(parents=True)
    (tmp_path / "store" / name).write_bytes(DATA)
    # Only the store knows it.
    assert run(capsys, "show", SID[:9])[0] == 0
    history.add(past_call(setup(), summarise(Recording(DATA)), datetime(2026, 11, 22, 10, tzinfo=UTC), f"{url}/{name}"))

    assert run(capsys, "list")[0] == 0
    assert f"recording     {url}/{name}" in run(capsys, "show", SID, "--timeline")[1].splitlines()
    assert run(capsys, "export", SID, str(tmp_path / "out.call"))[0] == 0
    assert (tmp_path / "out.call").read_bytes() == DATA
    assert main(["replay", f"{url}/{name}"]) == 0
    (tmp_path / "store" / name).unlink()
    assert "was deleted" in run(capsys, "export", SID, str(tmp_path / "out.call"))[1]
