from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.postgres import Postgres, postgres


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with postgres() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """Where a store may be: every test that asks for it is run on both."""
    if request.param == "sqlite":
        yield tmp_path / "data" / "calls.sqlite"
    else:
        server: Postgres = request.getfixturevalue("server")
        with server.database() as url:
            yield url
