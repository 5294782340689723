"""Fifty calls at once over real sockets, whose servers are killed or restarted in the middle; and what came of it.

Each caller presses a key, hears a sentence, and so on; a key needs no ears on the other side. What the carrier played
and what the history holds are compared call by call. The model is a script of its own, apart from the servers, as the
services are.
"""

import asyncio
import base64
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, Self

import msgspec
from websockets.asyncio.server import ServerConnection

from tests.support.tiny_realtime import TinyRealtime, send, serving
from tests.support.tiny_twilio import ACCOUNT_SID, TOKEN
from voice_agent.emulator.twilio import EmulatedTwilio
from voice_agent.emulator.twilio.call import EmulatedCall
from voice_agent.errors import CommandError, PeerError
from voice_agent.recording.reader import read
from voice_agent.store.database import Database
from voice_agent.store.history import History, PastCall
from voice_agent.store.recordings import Recordings

SENTENCE_BYTES = 4800

SENTENCE = base64.b64encode(b"\x10\x90" * 2400).decode()
"""600 ms that can be heard."""

AGENT = """
name: reception
default: true
instructions: Be brief.
greeting: Hello!
recording: audio
limits: {minutes: 10, idle_seconds: 0}
"""


class TalkingModel(TinyRealtime):
    """Says a sentence whenever it is asked, each another."""

    def __init__(self) -> None:
        super().__init__()
        self._said = 0

    async def answer(self, socket: ServerConnection, message: dict[str, Any]) -> None:
        if message["type"] != "response.create":
            await super().answer(socket, message)
            return
        self._said += 1
        metadata = message.get("response", {}).get("metadata")
        response = {"id": f"resp_{self._said}", "status": "in_progress", "metadata": metadata, "output": []}
        ids = {"response_id": response["id"], "item_id": f"item_{self._said}", "output_index": 0, "content_index": 0}
        await send(socket, type="response.created", response=response)
        await send(socket, type="response.output_audio_transcript.delta", delta=f"Sentence {self._said}.", **ids)
        await send(socket, type="response.output_audio.delta", delta=SENTENCE, **ids)
        await send(socket, type="response.output_audio.done", **ids)
        await send(socket, type="response.done", response={**response, "status": "completed"})


def talking_model(address: str = "127.0.0.1") -> AbstractAsyncContextManager[TalkingModel]:
    return serving(TalkingModel(), address)


SERVE = (sys.executable, "-m", "voice_agent.cli.main", "serve")


class Server:
    """`voice-agent serve`, in a process group of its own."""

    def __init__(
        self, folder: Path, port: int, program: Sequence[str] = SERVE, *, agent: str = AGENT, **variables: str
    ) -> None:
        """`program`: what stands behind `--fd` is open here, and the server gets it."""
        folder.mkdir(exist_ok=True)
        (folder / "reception.yaml").write_text(agent)
        self.folder = folder
        self._program = program
        self._environment = {
            "PATH": os.environ["PATH"], "PORT": str(port), "DATA": str(folder / "data"),
            "AGENTS": str(folder / "reception.yaml"), "REALTIME_PROVIDER": "emulator", "REALTIME_AUDIO": "g711",
            "TWILIO_AUTH_TOKEN": TOKEN, "MAX_CALLS": "100", "MAX_LAG_MS": "10000", **variables,
        }  # fmt: skip
        self.begin()

    def begin(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self._program,
                env=self._environment, cwd=self.folder, stdout=subprocess.PIPE, stderr=log, text=True,
                pass_fds=[int(number) for option, number in pairwise(self._program) if option == "--fd"],
            )  # fmt: skip
        self.until_it_listens()

    def until_it_listens(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("Listening on "):
                self.url = line.split()[2].rstrip(";")
                return
        raise AssertionError((self.folder / "log").read_text())

    @property
    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(child) for child in children]

    @property
    def worker(self) -> int:
        return self.workers[0]

    def kill_worker(self) -> None:
        os.kill(self.worker, signal.SIGKILL)

    def kill_all(self) -> None:
        """Nothing of it is left, as when its machine loses power; but the kernel still says so to its peers."""
        worker = self.worker
        self.process.kill()
        os.kill(worker, signal.SIGKILL)
        self.process.communicate()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=60)
        return self.process.returncode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.stop()


class Silence(msgspec.Struct):
    """From the end of a stream to sound in the next, and where the time went; ms since the end."""

    asked_ms: list[int]
    """When the carrier asked what becomes of the call: once more for each time that it was sent elsewhere."""
    streams_ms: int = 0
    heard_ms: int = 0


class Figures(msgspec.Struct):
    """What came of all calls."""

    calls: int
    went_on: int
    streams: int
    sentences_apart: int
    """Most that a call's history and the carrier differ by, for each time that its stream was lost."""
    keys_apart: int
    unreadable: int
    silences: list[Silence]

    def __str__(self) -> str:
        silences = "none"
        if self.silences:
            whole = _told(silence.heard_ms for silence in self.silences)
            ordered = _told(silence.streams_ms - silence.asked_ms[-1] for silence in self.silences)
            begun = _told(silence.heard_ms - silence.streams_ms for silence in self.silences)
            longest = max(self.silences, key=lambda silence: silence.heard_ms)
            silences = (
                f"{whole}; from the last request to the stream {ordered}, from there to sound {begun}; the longest one "
                f"was asked for at {longest.asked_ms}, streamed at {longest.streams_ms}"
            )
        return (
            f"{self.went_on} of {self.calls} calls went on, with {self.streams} streams; history and carrier apart by "
            f"at most {self.sentences_apart} sentences and {self.keys_apart} keys a loss; {self.unreadable} recordings "
            f"unreadable; silence after a loss: {silences} (load {os.getloadavg()[0]:.1f})"
        )


class Caller:
    """One call, and what its caller does in it."""

    def __init__(self, call: EmulatedCall, chance: random.Random) -> None:
        self.call = call
        self.talks = self.answered_after_all = False
        self._chance = chance

    async def talk(self, finished: asyncio.Event) -> None:
        """Press keys and listen until it is said that all is over, and then once more."""
        await self.call.agent_spoke(300, 60)
        await self.call.agent_silent(400, 5)
        self.talks = True
        await asyncio.sleep(self._chance.random())
        while not finished.is_set():
            await self._ask()
            await asyncio.sleep(self._chance.random())
        await asyncio.sleep(3)
        self.answered_after_all = await self._ask()
        await self.call.agent_silent(500, 10)
        self.call.hang_up()
        await self.call.ended()

    async def _ask(self) -> bool:
        if self.call.hearing is None:
            await self.call.streaming(15)
        spoken = sentences(self.call)
        self.call.press("5")
        answered = await self.call.wait_until(lambda: sentences(self.call) > spoken, 8)
        # To the end: who interrupts makes sentences that cannot be counted.
        await self.call.agent_silent(400, 5)
        return answered


def sentences(call: EmulatedCall) -> int:
    return sum(moment.what == "the agent speaks" for moment in call.timeline)


def silences_of(call: EmulatedCall) -> Iterator[Silence]:
    silence: Silence | None = None
    lost_ms = 0
    for moment in call.timeline:
        if moment.what == "the stream ends":
            lost_ms, silence = moment.at_ms, Silence([])
        elif silence is None:
            continue
        elif moment.what == "webhook":
            silence.asked_ms.append(moment.at_ms - lost_ms)
        elif moment.what == "the stream starts":
            silence.streams_ms = moment.at_ms - lost_ms
        elif moment.what == "the agent speaks":
            silence.heard_ms = moment.at_ms - lost_ms
            yield silence
            silence = None


def _told(times_ms: Iterable[int]) -> str:
    each = list(times_ms)
    return f"{median(each):.0f} ms in the median, {max(each)} ms at most"


async def hold(url: str, count: int, disturb: Any, seed: int) -> list[Caller]:
    """Hold so many calls while `disturb` does what it does to the servers."""
    chance = random.Random(seed)
    finished = asyncio.Event()
    async with EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio, asyncio.TaskGroup() as tasks:
        callers = []
        for n in range(count):
            call = twilio.place_call(f"{url}/twilio/voice", f"+1425555{n:04}", "+14255550100")
            callers.append(Caller(call, random.Random(chance.random())))
            tasks.create_task(callers[-1].talk(finished))
            await asyncio.sleep(0.1)
        # A webhook that is being answered dies with its server: that is for the number's fallback URL.
        while not all(caller.talks for caller in callers):  # noqa: ASYNC110 - of fifty of them
            await asyncio.sleep(0.1)
        await disturb()
        await asyncio.sleep(5)
        finished.set()
    return callers


async def rows_of(callers: list[Caller], place: Path | str) -> dict[str, list[PastCall]]:
    """What the history has of each call, the first part first."""
    return await rows_of_sids([caller.call.sid for caller in callers], place)


async def rows_of_sids(call_sids: Sequence[str], place: Path | str) -> dict[str, list[PastCall]]:
    async with Database(place) as database:
        history = History(database)
        return {sid: (await history.find(sid))[::-1] for sid in call_sids}


async def figures(callers: list[Caller], place: Path | str, recordings: Recordings | None = None) -> Figures:
    """`recordings`: where they are fetched from, if not from their paths."""
    rows = await rows_of(callers, place)
    apart = [_apart(caller, rows[caller.call.sid]) for caller in callers]
    return Figures(
        calls=len(callers),
        went_on=sum(caller.answered_after_all for caller in callers),
        streams=sum(len(caller.call.streams) for caller in callers),
        sentences_apart=max(sentences for sentences, _ in apart),
        keys_apart=max(keys for _, keys in apart),
        unreadable=sum(not readable(row, recordings) for found in rows.values() for row in found),
        silences=[silence for caller in callers for silence in silences_of(caller.call)],
    )


def _apart(caller: Caller, rows: list[PastCall]) -> tuple[int, int]:
    losses = max(1, len(caller.call.streams) - 1)
    lines = [line for row in rows for line in row.transcript]
    said = sum(line.who == "agent" for line in lines)
    heard = round(sum(byte in (0x10, 0x90) for byte in caller.call.agent_track) / SENTENCE_BYTES)
    keys = sum(len(line.text) for line in lines if line.who == "keys")
    pressed = sum(moment.what == "the caller presses" for moment in caller.call.timeline)
    return -(-abs(heard - said) // losses), -(-abs(pressed - keys) // losses)


def readable(row: PastCall, recordings: Recordings | None) -> bool:
    where = str(row.recording)
    try:
        steps = 0
        for _ in read(Path(where) if recordings is None else recordings.file(where)).steps():
            steps += 1
    except PeerError:
        return steps > 0
    except (CommandError, OSError):
        return False
    return True


def told(name: str, found: Figures, *, apart: int = 1) -> None:
    """Print the figures, and hold what must be so on any machine; silences depend on how busy it is."""
    print(f"\n{name}: {found}")  # noqa: T201 - what `pytest -s` is asked for
    assert found.went_on == found.calls
    assert found.unreadable == 0
    assert found.sentences_apart <= apart
