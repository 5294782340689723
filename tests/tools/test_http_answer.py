from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.tools.http_answer import Answer, AnswerError, taken

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def answer(body: bytes | str, content_type: str = "application/json", status: int = 200, charset: str = "") -> Answer:
    return Answer(status, content_type, charset, body.encode() if isinstance(body, str) else body)


def failure(given: Answer, *take: str) -> tuple[str, str]:
    with pytest.raises(AnswerError) as caught:
        taken(given, take)
    return str(caught.value), caught.value.detail


SLOTS = '{"slots": [{"time": "9:00"}, {"time": "14:30"}], "branch": {"name": "Alder", "phone": null}}'


@pytest.mark.parametrize(
    ("take", "got"),
    [
        (["branch.name"], "Alder"),
        (["branch.phone"], None),
        (["slots.1"], {"time": "14:30"}),
        (["slots.0.time", "branch.name"], {"slots.0.time": "9:00", "branch.name": "Alder"}),
        (["branch.name", "branch.street"], {"branch.name": "Alder"}),
        ([], msgspec.json.decode(SLOTS)),
    ],
)
def test_the_model_gets_the_parts_that_are_named(take: list[str], got: Any) -> None:
    assert taken(answer(SLOTS), take) == got


@pytest.mark.parametrize("path", ["slot", "slots.2", "slots.-1", "slots.a", "branch.name.first", "slots.²"])
def test_a_part_that_is_not_there_is_a_failure(path: str) -> None:
    assert failure(answer(SLOTS), path) == (
        "its answer has another form than expected",
        f"the answer holds no {path}",
    )


@given(JSON)
def test_json_is_given_as_it_is(value: Any) -> None:
    assert taken(answer(msgspec.json.encode(value)), []) == value
    assert taken(answer(msgspec.json.encode(value), "application/problem+json"), []) == value


@given(st.dictionaries(st.text("ab 0é/", min_size=1, max_size=3), JSON, min_size=1, max_size=3))
def test_every_name_is_a_path(value: dict[str, Any]) -> None:
    for name, part in value.items():
        assert taken(answer(msgspec.json.encode(value)), [name]) == part


def test_text_is_given_as_text() -> None:
    assert taken(answer("Grüße", "text/plain"), []) == "Grüße"
    assert taken(answer("Grüße".encode("latin-1"), "text/plain", charset="iso-8859-1"), []) == "Grüße"
    assert taken(answer(b"\xff", "text/plain", charset="klingon"), []) == "�"
    assert taken(answer("<p>Hi</p>", "text/html"), []) == "<p>Hi</p>"


@pytest.mark.parametrize("charset", ["idna", "punycode", "PUNYCODE", "undefined", "unicode_escape"])
def test_a_charset_that_is_none_of_texts_is_passed_over(charset: str) -> None:
    # Read as Punycode, a MiB takes a minute in which no call gets on.
    assert taken(answer(b"open-\\u0041" * 50_000, "text/plain", charset=charset), []) == "open-\\u0041" * 50_000


def test_without_a_type_it_is_json_if_it_can_be() -> None:
    assert taken(answer('{"a": 1}', ""), ["a"]) == 1
    assert taken(answer("hello", ""), []) == "hello"


def test_no_content_is_said_to_be_none() -> None:
    assert taken(answer("", "", status=204), []) == "done; the server sent no content"


@pytest.mark.parametrize(
    ("given", "said", "detail"),
    [
        (answer("{", "application/json"), "its answer cannot be read", "the answer is said to be JSON and is none"),
        (
            answer(b'{"name":"M\xfcller"}', "application/json"),
            "its answer cannot be read",
            "the answer is said to be JSON and is none",
        ),
        (answer("[" * 100_000), "its answer cannot be read", "the answer is said to be JSON and is none"),
        (
            answer(b"\x89PNG", "image/png"),
            "its answer is no text",
            "the answer is image/png, neither JSON nor text",
        ),
        (answer("no slot", status=404), "nothing was found (HTTP 404)", "HTTP 404: no slot"),
        (answer("", status=404), "nothing was found (HTTP 404)", "HTTP 404"),
        (
            answer("bad\n day", status=422),
            "its server refuses these values (HTTP 422)",
            "HTTP 422: bad day",
        ),
        (answer("key?", status=401), "it is not available now", "HTTP 401: key?"),
        (answer("", status=304), "it is not available now", "HTTP 304"),
        (answer("", status=429), "its server is asked too often now", "HTTP 429"),
        (answer("x" * 999, status=503), "its server has trouble now (HTTP 503)", f"HTTP 503: {'x' * 200}"),
    ],
)
def test_what_gives_nothing_is_a_sentence_for_the_model_and_one_for_the_log(
    given: Answer, said: str, detail: str
) -> None:
    assert failure(given) == (said, detail)


def test_a_path_needs_json() -> None:
    assert failure(answer("hello", "text/plain"), "a")[1] == "the answer is no JSON object or list"


@given(st.binary(), st.sampled_from(["", "application/json", "text/plain", "a/b"]), st.integers(100, 599), st.text())
def test_whatever_comes_is_a_value_or_a_sentence(body: bytes, kind: str, status: int, path: str) -> None:
    detail = "nothing was wrong"
    try:
        taken(answer(body, kind, status), [path] if path else [])
    except AnswerError as error:
        detail = error.detail

    assert "\n" not in detail
