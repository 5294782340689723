from pathlib import Path

import pytest

from voice_agent.errors import CommandError
from voice_agent.store.pointings import MOST, FormerPointing, Pointings

NUMBER = "+14255550100"


def state(url: str) -> FormerPointing:
    return FormerPointing(changed_at="2026-11-27T00:00:00+00:00", fields={"voice_url": url})


@pytest.fixture
def pointings(tmp_path: Path) -> Pointings:
    return Pointings(tmp_path / "data", NUMBER)


def test_of_a_number_that_was_never_changed_nothing_is_known(pointings: Pointings) -> None:
    assert pointings.last() is None
    assert not pointings.path.exists()


def test_the_latest_state_comes_back_first(pointings: Pointings) -> None:
    for url in ("a", "b"):
        pointings.push(state(url))

    assert pointings.last() == state("b")
    pointings.drop_last()
    assert pointings.last() == state("a")
    pointings.drop_last()
    assert pointings.last() is None
    assert not pointings.path.exists()


def test_each_number_has_its_own(pointings: Pointings, tmp_path: Path) -> None:
    pointings.push(state("a"))

    assert Pointings(tmp_path / "data", "+14255550101").last() is None
    assert Pointings(tmp_path / "data", NUMBER).last() == state("a")


def test_the_oldest_are_forgotten(pointings: Pointings) -> None:
    urls = [f"https://{number}.example/" for number in range(MOST + 3)]
    for url in urls:
        pointings.push(state(url))
    found = []
    while (last := pointings.last()) is not None:
        found.append(last.fields["voice_url"])
        pointings.drop_last()

    assert found == urls[: -MOST - 1 : -1]


def test_only_its_owner_can_read_it(pointings: Pointings) -> None:
    pointings.push(state("https://secret.example/?key=1"))

    assert pointings.path.stat().st_mode & 0o077 == 0
    assert [path.name for path in pointings.path.parent.iterdir()] == [f"{NUMBER}.json"]


@pytest.mark.parametrize("content", [b"{", b"[1]", b"\xff", b'[{"changed_at": "", "fields": {"voice_url": 3}}]'])
def test_a_broken_file_is_one_line(pointings: Pointings, content: bytes) -> None:
    pointings.path.parent.mkdir(parents=True)
    pointings.path.write_bytes(content)

    with pytest.raises(CommandError, match="cannot be read"):
        pointings.last()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    with pytest.raises(CommandError, match="DATA must be a folder of yours"):
        Pointings(tmp_path / "data", NUMBER).push(state("a"))
