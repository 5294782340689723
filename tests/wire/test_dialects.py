from typing import Any

import msgspec

from voice_agent.wire.dialects import DIALECTS, GA, PREVIEW, PREVIEW_NAMES, dialect_of, foreign, look, place


def test_settings_that_share_a_branch_stand_side_by_side() -> None:
    session: dict[str, Any] = {}
    place(session, ("audio", "input", "format"), 1)
    place(session, ("audio", "input", "turn_detection"), None)
    place(session, ("voice",), "marin")

    assert session == {"audio": {"input": {"format": 1, "turn_detection": None}}, "voice": "marin"}


def test_a_null_setting_is_told_from_a_missing_one() -> None:
    session = {"audio": {"input": {"turn_detection": None}}}

    assert look(session, ("audio", "input", "turn_detection")) is None
    assert look(session, ("audio", "output", "voice")) is msgspec.UNSET


def test_a_path_through_something_that_is_no_object_finds_nothing() -> None:
    assert look({"audio": "loud"}, ("audio", "input")) is msgspec.UNSET


def test_every_dialect_is_found_by_its_name() -> None:
    assert DIALECTS["ga"] is GA
    assert DIALECTS["preview"] is PREVIEW
    assert all(name == dialect.name for name, dialect in DIALECTS.items())


def test_a_renamed_event_has_one_present_name() -> None:
    assert len(set(PREVIEW_NAMES.values())) == len(PREVIEW_NAMES)


def test_a_session_object_shows_its_dialect() -> None:
    assert dialect_of({"type": "realtime", "output_modalities": ["audio"], "audio": {}}) == "ga"
    assert dialect_of({"modalities": ["audio", "text"], "voice": "alloy"}) == "preview"
    assert dialect_of({"id": "sess_1"}) is None
    assert dialect_of({"modalities": [], "output_modalities": []}) is None


def test_a_server_of_another_dialect_is_told_with_the_remedy() -> None:
    assert foreign({"modalities": ["text"]}, "ga").endswith("or set REALTIME_DIALECT=preview")
    assert foreign({"modalities": ["text"]}, "preview") == foreign({}, "ga") == ""
