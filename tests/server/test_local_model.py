import asyncio
import json
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.support.fake_speech import fake_speech
from voice_agent.config.settings import Settings
from voice_agent.errors import ConfigError
from voice_agent.server.local_model import local_realtime


def test_the_local_realtime_server_answers_on_a_port_of_its_own() -> None:
    async def main() -> str:
        async with (
            asyncio.timeout(30),
            local_realtime(Settings(), print, fake_speech()) as url,
            connect(f"{url}?model=any", compression=None, close_timeout=0.1) as socket,
        ):
            return str(json.loads(await socket.recv())["type"])

    assert asyncio.run(main()) == "session.created"


def test_a_dialogue_file_that_is_no_good_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "a.dialogue.yaml").write_text("nonsense: true\n")
    told: list[str] = []

    async def main() -> None:
        async with local_realtime(Settings(agents=tmp_path), told.append):
            raise AssertionError("it cannot start")

    with pytest.raises(ConfigError, match=r"a\.dialogue\.yaml"):
        asyncio.run(main())

    assert told == []
