import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from voice_agent.config.secret import TOKEN_FILE, Secret, local_auth_token
from voice_agent.errors import CommandError


def test_a_secret_shows_itself_only_when_asked() -> None:
    secret = Secret("s3cret")

    assert secret.reveal() == "s3cret"
    assert "s3cret" not in f"{secret} {secret!r} {[secret]} {secret!s}"


def test_a_secret_is_in_no_json() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(Secret("s3cret"))


def test_secrets_are_equal_by_their_text() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_a_token_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"

    token = local_auth_token(data)

    assert re.fullmatch("[0-9a-f]{32}", token)
    assert local_auth_token(data) == token
    assert [path.name for path in data.iterdir()] == [TOKEN_FILE]
    assert stat.S_IMODE((data / TOKEN_FILE).stat().st_mode) == 0o600


def test_all_who_ask_at_once_get_the_same_token(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: local_auth_token(tmp_path), range(32)))

    assert len(set(tokens)) == 1
    assert [path.name for path in tmp_path.iterdir()] == [TOKEN_FILE]


def test_a_token_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    local_auth_token(tmp_path)
    (tmp_path / TOKEN_FILE).chmod(0o644)

    with pytest.raises(CommandError, match="can be read by others; run: chmod 600 "):
        local_auth_token(tmp_path)


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 32])
def test_a_file_that_holds_no_token_is_not_used(tmp_path: Path, content: bytes) -> None:
    local_auth_token(tmp_path)
    (tmp_path / TOKEN_FILE).write_bytes(content)

    with pytest.raises(CommandError, match="holds no token; delete it"):
        local_auth_token(tmp_path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")

    with pytest.raises(
        CommandError, match=r"data/auth-token cannot be made or read \(.*\); DATA must be a folder of yours"
    ):
        local_auth_token(tmp_path / "data")
