"""The core of what a model's words may do to a request: nothing but stand in their place."""

from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from voice_agent.agent import HttpRequest
from voice_agent.tools.arguments import ArgumentsError
from voice_agent.tools.http_request import Prepared, prepare

HOST = "https://api.example.com"
NASTY = st.sampled_from(
    [
        "..",
        ".",
        "../admin",
        "a/b",
        "%2e%2e",
        "%2F",
        "..%2f",
        "..;",
        "a?b=c",
        "a#b",
        "a&b=c",
        "a\r\nX: y",
        "",
        "\\",
        "é",
        "+",
    ]
)
WORDS = st.text() | NASTY
VALUES = WORDS | st.integers(-(2**53), 2**53) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)


def get(url: str, arguments: dict[str, Any], **more: Any) -> Prepared:
    return prepare(HttpRequest(method="GET", url=HOST + url, **more), arguments)


def post(body: Any, arguments: dict[str, Any], **more: Any) -> Any:
    prepared = prepare(HttpRequest(method="POST", url=HOST, body=body, **more), arguments)
    assert prepared.body is not None
    return msgspec.json.decode(prepared.body)


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- the path --------------------------------------------------------------------------------------------------------


def test_an_argument_in_the_path_is_encoded() -> None:
    assert get("/day/{{ day }}/slots", {"day": "Mon & Tue é?"}).url == f"{HOST}/day/Mon%20%26%20Tue%20%C3%A9%3F/slots"


@given(WORDS)
def test_an_argument_in_the_path_is_one_segment_or_refused(value: str) -> None:
    try:
        url = get("/a/{{ x }}/b?c=d", {"x": value}).url
    except ArgumentsError:
        return
    parts = urlsplit(url)

    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("https", "api.example.com", "c=d", "")
    assert [unquote(segment) for segment in parts.path.split("/")] == ["", "a", value, "b"]
    # Nor is it divided, or stepped up from, by whoever decodes first, or twice.
    for decoded in (unquote(parts.path), unquote(unquote(parts.path))):
        assert decoded.split("/") == ["", "a", value, "b"]
    assert URL(url).path == f"/a/{value}/b"


@given(st.lists(st.sampled_from([".", "..", ";", "%2e", "a", ""]), min_size=2, max_size=2))
def test_two_arguments_make_no_step_up_together(values: list[str]) -> None:
    try:
        url = get("/a/{{ x }}{{ y }}/b", {"x": values[0], "y": values[1]}).url
    except ArgumentsError:
        return

    assert unquote(urlsplit(url).path.split("/")[2]).partition(";")[0] not in (".", "..")


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("..", '"x" must be more than dots'),
        ("..;a", '"x" must be more than dots'),
        ("", '"x" must not be empty'),
        ("a/b", '"x" must hold no slash, backslash or control character'),
        ("a\nb", '"x" must hold no slash, backslash or control character'),
        ("%2e%2e", '"x" must hold no percent-encoding'),
    ],
)
def test_a_refusal_tells_the_model_what_is_wrong(value: str, problem: str) -> None:
    with pytest.raises(ArgumentsError, match=f"^{problem}$"):
        get("/{{ x }}", {"x": value})


# --- the query -------------------------------------------------------------------------------------------------------


@given(VALUES)
def test_an_argument_in_the_query_is_one_value(value: Any) -> None:
    url = get("/a?x={{ x }}&y=1", {"x": value}).url
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()

    assert urlsplit(url).path == "/a"
    assert parse_qsl(urlsplit(url).query, keep_blank_values=True) == [("x", text), ("y", "1")]
    assert urlsplit(url).fragment == ""


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), VALUES | st.lists(VALUES, max_size=3)))
def test_what_no_template_names_is_added_to_the_query(arguments: dict[str, Any]) -> None:
    url = get("/slots?fixed=1", arguments).url
    entries = [(name, entry) for name, value in arguments.items() for entry in listed(value)]
    wanted = [
        (name, entry if isinstance(entry, str) else msgspec.json.encode(entry).decode()) for name, entry in entries
    ]

    assert parse_qsl(urlsplit(url).query, keep_blank_values=True) == [("fixed", "1"), *wanted]


def test_a_question_mark_comes_with_the_first_argument() -> None:
    assert get("/slots", {}).url == f"{HOST}/slots"
    assert get("/slots", {"day": "Monday", "early": True}).url == f"{HOST}/slots?day=Monday&early=true"


# --- the body --------------------------------------------------------------------------------------------------------


@given(st.dictionaries(st.sampled_from(["a", "b"]), VALUES | st.lists(VALUES, max_size=2)))
def test_without_a_template_the_arguments_are_the_body(arguments: dict[str, Any]) -> None:
    assert post(None, arguments) == arguments


@given(VALUES | st.lists(VALUES, max_size=2), st.text())
def test_an_argument_in_the_body_is_one_value(value: Any, text: str) -> None:
    template = {"whole": "{{ x }}", "within": "<{{ y }}>", "list": ["{{ x }}", 1], "fixed": [True, None, 2.5]}

    assert post(template, {"x": value, "y": text}) == {
        "whole": value,
        "within": f"<{text}>",
        "list": [value, 1],
        "fixed": [True, None, 2.5],
    }


def test_an_argument_that_was_left_out_leaves_no_trace() -> None:
    assert post({"a": "{{ x }}", "b": ["{{ x }}"], "c": 1}, {}) == {"b": [], "c": 1}


# --- variables of the call -------------------------------------------------------------------------------------------


@given(st.text())
def test_a_variable_is_put_in_like_an_argument(caller: str) -> None:
    assert post({"phone": "{{ caller }}"}, {}, values={"caller": caller}) == {"phone": caller}
    assert parse_qsl(urlsplit(get("/?from={{ caller }}", {}, values={"caller": caller}).url).query, True) == [
        ("from", caller)
    ]


def test_no_argument_takes_a_variables_place() -> None:
    prepared = get("/{{ caller }}", {"day": "{{ caller }}"}, values={"caller": "+14255550123"})

    assert prepared.url == f"{HOST}/%2B14255550123?day=%7B%7B%20caller%20%7D%7D"


def test_only_methods_with_a_body_have_one() -> None:
    for method in ("GET", "DELETE"):
        assert prepare(HttpRequest(method=method, url=HOST), {"a": 1}) == Prepared(method, f"{HOST}?a=1", None)
