import re

import pytest

from voice_agent.twilio_api.refusals import _MEANINGS, meaning_of


@pytest.mark.parametrize("code", _MEANINGS)
def test_a_meaning_is_one_line_for_one_code(code: str) -> None:
    assert re.fullmatch("[1-9][0-9]{4}", code)
    assert re.fullmatch(r"[a-z][^\n]{20,110}", meaning_of(code))
    assert not meaning_of(code).endswith(".")


@pytest.mark.parametrize("code", ["99999", "", "None", "{}"])
def test_of_any_other_code_nothing_is_said(code: str) -> None:
    assert meaning_of(code) == ""
