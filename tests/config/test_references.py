import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.config.references import NOTHING, References, names_in, read_references
from voice_agent.config.secret import Secret

TOKEN = "tok/en-0123456789"
KNOWN = References({"CALENDAR_TOKEN": Secret(TOKEN)})


def test_names_are_found_once_in_the_order_of_the_texts() -> None:
    assert names_in(["https://${HOST}/${KEY}", "${HOST}", "$KEY ${1X} ${}"]) == ["HOST", "KEY"]


def test_a_value_is_filled_in_and_covered_again() -> None:
    filled = KNOWN.filled("Bearer ${CALENDAR_TOKEN} ${OTHER}")

    assert filled == f"Bearer {TOKEN} ${{OTHER}}"
    assert KNOWN.covered(filled) == "Bearer ${CALENDAR_TOKEN} ${OTHER}"


@given(
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=8).map(str.strip).filter(lambda t: len(t) > 7)
)
def test_a_value_is_covered_however_json_writes_it(value: str) -> None:
    known = References({"KEY": Secret(value)})
    for written in (json.dumps({"token": value}), json.dumps({"token": value}).replace("/", "\\/")):
        assert json.loads(known.covered(written)) == {"token": "${KEY}"}


def test_nobody_sees_a_value() -> None:
    assert repr(KNOWN) == "<References to CALENDAR_TOKEN>"
    assert repr(NOTHING) == "<References to nothing>"


def test_only_what_is_named_is_filled_in() -> None:
    none = KNOWN.only(["OTHER"])

    assert none.is_empty
    assert none.filled("${CALENDAR_TOKEN}") == "${CALENDAR_TOKEN}"
    assert not KNOWN.only(["CALENDAR_TOKEN"]).is_empty


IN_FILE = "is shorter than 8 characters; what is no secret belongs into the file itself"


@pytest.mark.parametrize(
    ("environ", "problem"),
    [
        ({"CALENDAR_TOKEN": TOKEN}, ""),
        ({}, '"${CALENDAR_TOKEN}" is not set; set CALENDAR_TOKEN in the environment or in .env'),
        ({"CALENDER_TOKEN": TOKEN}, '"${CALENDAR_TOKEN}" is not set; is it meant to be "${CALENDER_TOKEN}"?'),
        ({"CALENDAR_TOKEN": "short"}, f"${{CALENDAR_TOKEN}}: {IN_FILE}"),
        (
            {"CALENDAR_TOKEN": "tökentöken"},
            "${CALENDAR_TOKEN}: holds a character that no key or token has; copy it anew",
        ),
    ],
)
def test_a_variable_that_cannot_be_used_is_named_with_the_remedy(environ: dict[str, str], problem: str) -> None:
    assert read_references(environ).problem("CALENDAR_TOKEN") == problem
