import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.config.references import References
from voice_agent.config.secret import Secret
from voice_agent.server.logs import set_up_logging, shorten_numbers


def fail(text: str) -> None:
    raise ValueError(text)


@contextmanager
def logging_to(
    stream: io.StringIO,
    level: Literal["debug", "info"],
    style: Literal["text", "json"],
    cover: Callable[[str], str] = str,
) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("", "voice_agent", "uvicorn.error")]
    levels = [logger.level for logger in loggers]
    handler = set_up_logging(level, style, stream, cover)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        for logger, before in zip(loggers, levels, strict=True):
            logger.setLevel(before)


def logged(style: Literal["text", "json"], level: Literal["debug", "info"] = "info") -> str:
    stream = io.StringIO()
    with logging_to(stream, level, style):
        logger = logging.getLogger("voice_agent.test")
        logger.info("from %s", "+14255550199", extra={"call": "CA1", "call_ms": 5})
        logger.debug("small")
        logging.getLogger("websockets.client").info("> every message")
        try:
            dict[str, str]()["+14255550123"]
        except KeyError:
            logger.exception("broken")
    return stream.getvalue()


def test_a_line_of_text_has_time_level_call_and_no_whole_number() -> None:
    first, broken, *traceback = logged("text").splitlines()

    assert first[12:] == " info CA1 from +1425555****"
    assert broken[12:] == " error broken"
    assert traceback[-1] == "  KeyError: '+1425555****'"


def test_a_line_of_json_says_the_same() -> None:
    first, broken = map(json.loads, logged("json").splitlines())

    assert {key: first[key] for key in ("level", "logger", "message", "call", "call_ms")} == {
        "level": "info",
        "logger": "voice_agent.test",
        "message": "from +1425555****",
        "call": "CA1",
        "call_ms": 5,
    }
    assert first["time"].endswith("+00:00")
    assert "call" not in broken
    assert broken["traceback"].endswith("KeyError: '+1425555****'")


def test_what_is_known_to_be_secret_is_covered_wherever_it_comes_from() -> None:
    stream = io.StringIO()
    cover = References({"API_TOKEN": Secret("very-secret")}).covered
    with logging_to(stream, "info", "json", cover):
        logging.getLogger("voice_agent.test").warning("a peer says %s", "very-secret")

    assert json.loads(stream.getvalue())["message"] == "a peer says ${API_TOKEN}"


def test_the_level_is_ours_and_other_packages_stay_quiet() -> None:
    text = logged("text", "debug")

    assert "small" in text
    assert "every message" not in text


@pytest.mark.parametrize("style", ["text", "json"])
def test_what_a_stranger_sends_begins_no_line_of_the_log(style: Literal["text", "json"]) -> None:
    stream = io.StringIO()
    forged = "x\n12:00:00.000 info CA1 all is well\r\x1b[2J\u2028more"
    with logging_to(stream, "info", style):
        logger = logging.getLogger("voice_agent.test")
        logger.info("from %s", forged, extra={"call": forged})
        try:
            fail(forged)
        except ValueError:
            logger.exception("broken")

    lines = stream.getvalue().splitlines() if style == "text" else stream.getvalue().split("\n")
    assert not any(line.startswith("12:00:00.000 info CA1") for line in lines)
    assert "\x1b" not in stream.getvalue()
    assert "\r" not in stream.getvalue()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+14255550199", "+1425555****"),
        ("tel:+493012345678,", "tel:+49301234****,"),
        ("?to=%2B14255550199&x=%2b14255550199", "?to=%2B1425555****&x=%2b1425555****"),
        ("+1234567", "+123****"),
        ("+123456", "+123456"),
        ("1 + 14255550199", "1 + 14255550199"),
    ],
)
def test_numbers_lose_their_last_four_digits(text: str, shown: str) -> None:
    assert shorten_numbers(text) == shown


@given(st.from_regex(r"\+[1-9]\d{6,14}", fullmatch=True), st.text(max_size=5), st.text(max_size=5))
def test_no_phone_number_passes_whole(number: str, before: str, after: str) -> None:
    assert number not in shorten_numbers(f"{before} {number} {after}")
