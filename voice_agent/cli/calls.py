"""`voice-agent calls`: list and show past calls, and take their recordings out.

What a call cost is reckoned when it is shown, by the prices of that moment; the carrier's minutes are not in it.
A call whose process died never came into the history; its recording is found all the same. What lies in an
object store is fetched for as long as the command runs.
"""

import argparse
import asyncio
import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from statistics import median_low

import msgspec

from voice_agent.call.summary import Line
from voice_agent.call.trouble import TOOL_FAILED
from voice_agent.config.prices import Prices, load_prices
from voice_agent.config.settings import ENV_FILE, Settings, read_settings
from voice_agent.errors import CommandError, PeerError, printable
from voice_agent.live.clips import load_clips
from voice_agent.recording.format import SUFFIX
from voice_agent.recording.reader import Recording, read
from voice_agent.recording.redact import Wanted, read_wanted
from voice_agent.recording.telling import clock, summarise, timeline, transcript
from voice_agent.replay.carrier_findings import findings_of, told_finding
from voice_agent.replay.expectations import path_beside
from voice_agent.review.expected import draft
from voice_agent.review.past_calls import in_object_store, recorded_call, unlisted
from voice_agent.review.redacted import redact
from voice_agent.review.sound import write_wav
from voice_agent.server.recordings import recordings_of
from voice_agent.server.run import database_place
from voice_agent.store.database import Database
from voice_agent.store.history import History, PastCall, past_call
from voice_agent.store.recordings import Recordings

SUMMARY = "list and show past calls"

_CALL = f"the CallSid, or its beginning, or a {SUFFIX} file"

_COLUMNS = ("STARTED (UTC)", "CALL", "AGENT", "CALLER", "LENGTH", "TURNS", "CUTS", "TOOLS", "COST", "OUTCOME")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="the latest calls, the latest first")
    listing.add_argument("--limit", type=int, default=20, metavar="N", help="how many (20)")
    show = actions.add_parser("show", help="one call: transcript, tools, interruptions, files")
    show.add_argument("call", metavar="CA…", help=_CALL)
    show.add_argument("--wav", type=Path, metavar="FILE", help="write the sound there: caller left, agent right")
    show.add_argument("--timeline", action="store_true", help="all that happened but the flow of audio")
    show.add_argument("--carrier", action="store_true", help="what it tells of the carrier, by each assumption")
    export = actions.add_parser("export", help=f"write a call to a file: {', '.join(_WRITERS)}, by its ending")
    export.add_argument("call", metavar="CA…", help=_CALL)
    export.add_argument("file", type=Path, metavar="FILE")
    export.add_argument(
        "--redact",
        action="store_true",
        help="without numbers, keys, secrets and the words of REDACT_WORDS, in texts and in sound",
    )
    export.add_argument(
        "--expect",
        action="store_true",
        help=f"beside a {SUFFIX}, a draft of what is expected of it as a test; one that is there stays",
    )


def run(action: str, **given: object) -> int:
    """Do one action; 0, or 1 for a call that is not there."""
    return asyncio.run(_run(read_settings(os.environ, ENV_FILE), action, given))


async def _run(settings: Settings, action: str, given: Mapping[str, object]) -> int:
    prices = load_prices(settings.prices)
    with tempfile.TemporaryDirectory(prefix="voice-agent-") as fetched:
        recordings = recordings_of(settings, Path(fetched))
        return await _do(settings, recordings, prices, action, given)


async def _do(
    settings: Settings, recordings: Recordings, prices: Prices, action: str, given: Mapping[str, object]
) -> int:
    async with Database(database_place(settings)) as database:
        history = History(database)
        match action, given:
            case "list", {"limit": int(limit)}:
                if limit < 1:
                    raise CommandError("--limit must be 1 or more")
                calls = [*await history.latest(limit), *unlisted(await history.recordings(), recordings.folder)]
                calls.sort(key=lambda call: call.started_at, reverse=True)
                status = list_calls(calls[:limit], database.shown, prices)
                if settings.keep_days is not None:
                    print(f"`serve` deletes calls after {settings.keep_days} days (KEEP_DAYS)")
                return status
            case "show", {"call": str(call), "carrier": True}:
                return max(
                    [show_carrier(_recording(part, recordings)) for part in await _found(history, recordings, call)]
                )
            case "show", {"call": str(call), "wav": (None | Path()) as wav, "timeline": bool(whole)}:
                return show_parts(await _found(history, recordings, call), recordings, wav, whole, prices)
            case "export", {
                "call": str(call),
                "file": Path() as file,
                "redact": bool(redacts),
                "expect": bool(expects),
            }:
                wanted = read_wanted(settings.redact_words) if redacts else None
                if expects and file.suffix != SUFFIX:
                    raise CommandError(f"{file}: --expect goes with a {SUFFIX}, beside which expectations stand")
                parts = await _found(history, recordings, call)
                files = [(part, _numbered(file, n)) for n, part in enumerate(parts, 1)]
                return max([export_call(part, recordings, part_file, wanted, expects) for part, part_file in files])
            case _:
                raise AssertionError("argparse lets nothing else through")


def list_calls(calls: list[PastCall], where: str, prices: Prices) -> int:
    """Print the table; `where`: what to name when it is empty."""
    if not calls:
        print(f"no calls yet ({where})")
        return 0
    rows = [_COLUMNS, *(_row(call, prices) for call in calls)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    for row in rows:
        print(printable("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()))
    return 0


def show_parts(parts: list[PastCall], recordings: Recordings, wav: Path | None, whole: bool, prices: Prices) -> int:
    """Print a call that had several streams, one after another."""
    for number, part in enumerate(parts, 1):
        if len(parts) > 1:
            print(f"{'' if number == 1 else chr(10)}{'part':<13} {number} of {len(parts)}")
        show_call(part, recordings, None if wav is None else _numbered(wav, number), whole, prices)
    return 0


def _numbered(file: Path, number: int) -> Path:
    """Name the file of a part: the first has the name that was asked for."""
    return file if number == 1 else file.with_stem(f"{file.stem}-{number}")


def show_call(call: PastCall, recordings: Recordings, wav: Path | None, whole: bool, prices: Prices) -> int:
    """Print one call, or one part of it, and where its files lie."""
    for name, value in _facts(call, recordings, prices):
        print(printable(f"{name:<13} {value}"))
    print()
    lines = timeline(_recording(call, recordings)) if whole else transcript(_lines(call, recordings))
    for line in lines:
        print(line)
    if wav is not None:
        write_wav(_recording(call, recordings), load_clips(), wav)
        print(f"\nwrote {wav}: caller left, agent right")
    return 0


def _lines(call: PastCall, recordings: Recordings) -> Sequence[Line]:
    """Give the transcript; why a tool failed is in the recording alone, if there is one."""
    if call.recording is not None and any(trouble.kind == TOOL_FAILED for trouble in call.trouble):
        with contextlib.suppress(CommandError):
            lines = summarise(_recording(call, recordings), causes=True).lines
            if len(lines) == len(call.transcript):
                return lines
    return call.transcript


def show_carrier(recording: Recording) -> int:
    """Print what a call tells of its carrier; 1: something that is counted on is not so."""
    findings = findings_of(recording)
    for found in findings:
        print(told_finding(found))
    return 1 if any(found.verdict == "refuted" for found in findings) else 0


def export_call(
    call: PastCall, recordings: Recordings, file: Path, redact_what: Wanted | None, expects: bool = False
) -> int:
    """Write one call to a file, in the form that its ending names; `redact_what`: `None` for all as it was.

    `expects`: beside a recording, a draft of its expectations, too.
    """
    write = _WRITERS.get(file.suffix)
    if write is None:
        raise CommandError(f"{file}: the ending says what to write; it must be one of {', '.join(_WRITERS)}")
    exported = _Exported(call, recordings) if redact_what is None else _redacted(call, recordings, redact_what)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write(exported, file)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror or error}") from None
    print(f"wrote {file}{'' if redact_what is None else ', redacted'}")
    if expects:
        _export_expected(exported.recording, path_beside(file))
    return 0


def _export_expected(recording: Recording, file: Path) -> None:
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(draft(recording))
    except FileExistsError:
        print(f"{file} is there already, and stays")
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror or error}") from None
    else:
        print(f"wrote {file}, a draft: keep what must stay so")


class _Exported(msgspec.Struct, frozen=True):
    """A call, as it is to leave the house."""

    call: PastCall
    recordings: Recordings
    data: bytes | None = None
    """Its recording; `None`: what its file holds."""

    @property
    def recording(self) -> Recording:
        return _recording(self.call, self.recordings) if self.data is None else Recording(self.data)


def _redacted(call: PastCall, recordings: Recordings, wanted: Wanted) -> _Exported:
    """Redact a call by its recording, for the history's lines alone do not tell what a turn held."""
    data = redact(_recording(call, recordings), load_clips(), wanted)
    recording = Recording(data)
    began = datetime.fromisoformat(call.started_at)
    return _Exported(past_call(recording.header.setup, summarise(recording), began, None), recordings, data)


def _export_recording(exported: _Exported, file: Path) -> None:
    data = exported.data
    file.write_bytes(_path(exported.call, exported.recordings).read_bytes() if data is None else data)


def _export_sound(exported: _Exported, file: Path) -> None:
    write_wav(exported.recording, load_clips(), file)


def _export_text(exported: _Exported, file: Path) -> None:
    file.write_text("".join(f"{line}\n" for line in transcript(exported.call.transcript)), encoding="utf-8")


def _export_json(exported: _Exported, file: Path) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(exported.call), indent=2) + b"\n")


_WRITERS: dict[str, Callable[[_Exported, Path], None]] = {
    SUFFIX: _export_recording,
    ".wav": _export_sound,
    ".txt": _export_text,
    ".json": _export_json,
}


async def _found(history: History, recordings: Recordings, call_sid: str) -> list[PastCall]:
    """Give a call: its parts, the first first."""
    if call_sid.endswith(SUFFIX):
        try:
            return [recorded_call(Path(call_sid))]
        except PeerError as error:
            raise CommandError(f"{call_sid}: {error}") from None
    found = unlisted(await history.recordings(), recordings.folder)
    calls = [
        *await history.find(call_sid),
        *(call for call in found if call.call_sid.lower().startswith(call_sid.lower())),
    ]
    calls = calls or in_object_store(recordings, call_sid)
    if not calls:
        raise CommandError(f"no call {call_sid} in {history.database.shown}: see `voice-agent calls list`")
    sids = sorted({call.call_sid for call in calls})
    if len(sids) > 1:
        raise CommandError(f"{call_sid} is the beginning of several calls: {', '.join(sids)}")
    return sorted(calls, key=lambda call: call.started_at)


def _path(call: PastCall, recordings: Recordings) -> Path:
    if call.recording is None:
        raise CommandError(f"{call.call_sid} was not recorded: {call.why_no_recording}")
    path = recordings.file(call.recording)
    if not path.is_file():
        raise CommandError(f"the recording of {call.call_sid} is not there any more: {path}")
    return path


def _recording(call: PastCall, recordings: Recordings) -> Recording:
    path = _path(call, recordings)
    try:
        return read(path)
    except PeerError as error:
        raise CommandError(f"{path}: {error}") from None


def _row(call: PastCall, prices: Prices) -> tuple[str, ...]:
    return (
        call.started_at[:19].replace("T", " "),
        call.call_sid,
        call.agent or "-",
        call.caller or "-",
        clock(call.duration_ms)[:-4],
        str(call.turns),
        str(call.interruptions),
        str(call.tool_calls),
        prices.short(call.model, call.usage),
        call.outcome,
    )


def _facts(call: PastCall, recordings: Recordings, prices: Prices) -> Iterator[tuple[str, str]]:
    yield "call", call.call_sid
    yield "agent", call.agent or "-"
    yield "from, to", f"{call.caller or '-'}, {call.called or '-'}"
    yield "started", f"{call.started_at[:19].replace('T', ' ')} UTC"
    yield "length", clock(call.duration_ms)
    yield "ended", f"{call.outcome}{f': {call.reason}' if call.reason else ''}"
    yield "turns", f"{call.turns}, {call.interruptions} interruptions, {call.tool_calls} tool calls"
    if call.response_ms:
        yield "response time", f"{median_low(call.response_ms)} ms in the median, {max(call.response_ms)} ms at most"
    yield (
        "tokens",
        f"{call.usage.input_tokens:,} in ({call.usage.cached_tokens:,} cached), {call.usage.output_tokens:,} out",
    )
    if call.model:
        yield "model, cost", f"{call.model}, {prices.told(call.model, call.usage)}"
    spoken = call.transcription
    if spoken.audio_ms:
        yield "transcription", f"{spoken.audio_ms / 1000:.0f} s of the caller, billed apart"
    elif spoken.input_tokens:
        yield "transcription", f"{spoken.input_tokens:,} tokens in, {spoken.output_tokens:,} out, billed apart"
    yield "recording", recordings.where(call.recording) if call.recording else "none"
