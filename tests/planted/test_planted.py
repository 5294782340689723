"""The known bugs can still be planted: each change finds its place in today's source, and is Python."""

import ast
from pathlib import Path

import pytest

import voice_agent
from tests.planted.bugs import BUGS, Bug

PACKAGE = Path(voice_agent.__file__).parent


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_known_bug_still_finds_its_place(bug: Bug) -> None:
    source = (PACKAGE / bug.file).read_text()

    assert source.count(bug.was) == 1
    ast.parse(source.replace(bug.was, bug.becomes))


def test_no_bug_is_listed_twice() -> None:
    assert len({bug.name for bug in BUGS}) == len(BUGS) >= 20
