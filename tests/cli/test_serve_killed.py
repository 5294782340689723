"""`kill -9` of the server in calls, through real sockets: the calls go on, and nothing of them is lost."""

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.cli.test_serve import AGENT, environment
from tests.support.served import served
from tests.support.stored import latest
from tests.support.tiny_realtime import tiny_realtime
from tests.support.tiny_twilio import ACCOUNT_SID, TOKEN
from tests.support.watched import until
from voice_agent.emulator.twilio import EmulatedTwilio
from voice_agent.errors import PeerError
from voice_agent.recording.reader import read
from voice_agent.store.checkpoints import Checkpoints
from voice_agent.store.database import FILE_NAME, Database

CALLS = 2

FOLDER = {"AGENTS": "agents"}


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for the worker where Linux tells of it")
def test_calls_go_on_when_their_server_is_killed(tmp_path: Path) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "reception.yaml").write_text(AGENT.replace("off", "audio") + "greeting: Hello!\n")

    async def main() -> tuple[list[str], list[int], int]:
        async with asyncio.timeout(30), tiny_realtime() as model, EmulatedTwilio(ACCOUNT_SID, TOKEN) as twilio:
            settings = {"REALTIME_URL": model.url, "TWILIO_AUTH_TOKEN": TOKEN, "REALTIME_AUDIO": "g711",
                        "MAX_LAG_MS": "10000"}  # fmt: skip
            async with served(tmp_path, environment={**environment(tmp_path, **settings), **FOLDER}) as (server, url):
                calls = [
                    twilio.place_call(f"{url}/twilio/voice", f"+1425555019{n}", "+14255550100") for n in range(CALLS)
                ]
                await said(tmp_path, [call.sid for call in calls])
                os.kill(server.workers[0], signal.SIGKILL)
                await server.says("the call was lost and goes on", CALLS)
                created = await model.got("conversation.item.create", 2 * CALLS)
                for call in calls:
                    assert await call.wait_until(lambda call=call: len(call.streams) == 2)  # type: ignore[misc]
                    call.hang_up()
                    await call.ended()
                server.process.send_signal(signal.SIGTERM)
                assert await server.ended() == 0
                items = [item["item"]["role"] for item in created]
                return items, [len(call.streams) for call in calls], server.count("the call was lost and goes on")

    items, streams, lost = asyncio.run(main())
    rows = latest(tmp_path / "data" / FILE_NAME, 10)

    assert sorted(items) == ["assistant"] * CALLS + ["system"] * CALLS
    assert streams == [2] * CALLS
    assert lost == CALLS
    assert sorted(row.outcome for row in rows) == ["caller_hung_up"] * CALLS + ["stream_lost"] * CALLS
    assert len({row.recording for row in rows}) == 2 * CALLS
    for row in rows:
        assert steps_of(Path(str(row.recording))) > 0


async def said(folder: Path, sids: list[str]) -> None:
    """Wait until what the caller heard of the greeting is kept, and what was recorded so far."""
    async with Database(folder / "data" / FILE_NAME) as database:

        async def kept() -> bool:
            found = [await Checkpoints(database).find(sid) for sid in sids]
            return all(one is not None and one.checkpoint.resumption is not None and
                       one.checkpoint.resumption.conversation.turns for one in found)  # fmt: skip

        async def recorded() -> bool:
            paths = list((folder / "data" / "recordings").rglob("*.call"))
            return len(paths) == len(sids) and all(steps_of(path) > 0 for path in paths)

        await until(kept, folder / "data")
        await until(recorded, folder / "data")  # twice a second


def steps_of(path: Path) -> int:
    """Read a recording, which may end in the middle of a block."""
    steps = 0
    with contextlib.suppress(PeerError):
        for _ in read(path).steps():
            steps += 1
    return steps
