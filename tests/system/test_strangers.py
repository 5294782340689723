"""A stranger before the proxies, who writes the `Host` of a browser of this machine."""

import asyncio
from pathlib import Path
from types import ModuleType

import pytest

from tests.server.test_run import a_server
from tests.support.tiny_twilio import request
from tests.system import haproxy, nginx
from voice_agent.cli.doctor_remote import look_for_insiders


@pytest.mark.parametrize("before", [haproxy, nginx], ids=["HAProxy", "nginx"])
def test_a_stranger_behind_a_proxy_is_no_browser_of_this_machine(tmp_path: Path, before: ModuleType) -> None:
    async def main() -> list[object]:
        async with a_server(tmp_path) as call:
            with before.proxy(tmp_path, [int(call.serving.url.rpartition(":")[2])]) as front:
                await front.until_all_are_up()
                paths = ("/healthz", "/metrics", "/console/api/session")
                answers = [(await request(f"{front.url}{path}", host="localhost"))[0] for path in paths]
                return [*answers, (await look_for_insiders(front.url)).verdict]

    assert asyncio.run(main()) == [200, 403, 403, "ok"]
