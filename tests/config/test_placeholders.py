import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.config.placeholders import filled, has_broken, keys_of, leaves, names_in, whole_name

PLAIN = st.text(st.characters(exclude_characters="{}%"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("{{ day }}", ["day"]),
        ("{{day}}/{{ time }}/{{  day }}", ["day", "time"]),
        ("{ day }", []),
        ("{{ a.b }}", []),
        ("{{ a | date }}", []),
    ],
)
def test_names_are_found_once_each(text: str, names: list[str]) -> None:
    assert names_in(text) == names


@pytest.mark.parametrize(
    ("text", "broken"),
    [("{{ day }}", False), ("{ day }", False), ("{{ a.b }}", True), ("{{ day }", True), ("{% if day %}", True)],
)
def test_braces_that_are_no_placeholder_are_noticed(text: str, broken: bool) -> None:
    assert has_broken(text) is broken


def test_a_text_may_be_one_placeholder_as_a_whole() -> None:
    assert [whole_name(text) for text in ("{{ day }}", " {{day}} ", "on {{ day }}", "day")] == ["day", "day", "", ""]


@given(PLAIN, PLAIN, st.text())
def test_a_value_is_never_read_as_a_template(before: str, after: str, value: str) -> None:
    got = filled(before + "{{ a }}" + after, {"a": value, "b": "no"}, lambda _, value: str(value))

    assert got == before + value + after


def test_a_tree_has_keys_and_its_texts_are_its_leaves() -> None:
    assert keys_of({"a": ["x", {"b": "y"}, 1], "{{ d }}": "z"}) == ["a", "b", "{{ d }}"]
    assert leaves({"a": ["x", {"b": "y"}, 1, None], "c": True, "{{ d }}": "z"}) == ["x", "y", "z"]
