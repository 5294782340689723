import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.errors import ConfigError
from voice_agent.recording.redact import NUMBERS_AND_SECRETS, REDACTED, Finder, Wanted, digits_of, read_wanted

WANTED = Wanted(("Anna Jones", "McDonald", "4711"), (r"order (?:number )?\d+", r"\btop secret\b"))
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("my number is 425-555-0123, thanks", "4255550123"),
        ("+1 (425) 555.0123", "14255550123"),
        ("four two five, five five five, oh one two three", "4255550123"),
        ("plus one, four two five, triple five, oh one two three", "14255550123"),
        ("four two five triple five zero one double two", "4255550122"),
        ("four twenty-five, five fifty-five, oh one twenty-three", "4255550123"),
        ("four hundred and twenty five, five five five, nineteen ninety", "4255551990"),
        ("425 and then, um, 555 dash 0123", "4255550123"),
        ("five five five ninety thousand one", "55590001"),
        ("nought one two three four five six", "0123456"),
        ("1 2 3 for 5 6 7", "1234567"),
        ("four two five. Okay? Five five, yes, five oh one. Sorry, two, comma, three", "4255550123"),
        ("to three for five six seven eight", "2345678"),
        ("treble three quadruple four", "3334444"),
        ("it is \u0664\u0662\u0665 \u0665\u0665\u0665 \u0660\u0661\u0662\u0663", "4255550123"),
    ],
)
def test_a_number_is_found_however_it_is_spoken(text: str, number: str) -> None:
    assert Finder().numbers_in(text) == {number}
    assert Finder().matches(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "We are open from nine to five, on Saturday from 10:30 to 11:45.",
        "It was on 2026-11-22 at 10:30:15.",
        "Two dogs, three cats and one hundred fish for 25 dollars.",
        "I would like to come for one or two hours.",
        "We are open at 9.30, on Monday at 10 a.m. Come at noon. Thanks.",
        "0000000 zero zero zero zero zero zero zero",
    ],
)
def test_times_dates_prices_and_what_redaction_leaves_are_no_numbers(text: str) -> None:
    assert Finder(WANTED, ["14255550123"]).spans(text) == []


@given(
    st.text("0123456789", min_size=7, max_size=15).filter(lambda number: bool(number.strip("0"))),
    st.lists(st.sampled_from(["figure", "word", "oh"]), min_size=15, max_size=15),
    st.lists(st.sampled_from([" ", ", ", "-", ". ", " um ", " dash ", "\n"]), min_size=15, max_size=15),
)
def test_any_number_digit_by_digit_is_found_whole(number: str, forms: list[str], between: list[str]) -> None:
    said = ""
    for digit, form, gap in zip(number, forms, between, strict=False):
        as_word = "oh" if form == "oh" and digit == "0" else DIGITS[int(digit)]
        said += (digit if form == "figure" else as_word) + gap

    assert Finder().numbers_in(f"well {said} thanks") == {number}
    assert digits_of(Finder().censor(f"well {said} thanks")) == ""


@pytest.mark.parametrize("text", ["it ends in 0123", "the one with two five five five", "0123"])
def test_four_digits_of_a_known_number_give_it_away(text: str) -> None:
    assert Finder(numbers=["14255550123"]).matches(text)
    assert not Finder().matches(text)
    assert Finder().knowing(["14255550123"]).matches(text)


def test_a_given_number_is_found_among_others_and_a_short_one_is_not_known() -> None:
    assert Finder(WANTED).matches("four seven one one")
    assert Finder(WANTED).matches("it is 94711")
    assert not Finder(numbers=["12", "000"]).matches("12 000")


@pytest.mark.parametrize(
    "text",
    [
        "This is anna JONES.",
        "Anna Jones's",
        "A double N a, J-O-N-E-S",
        "A. N. N. A. Jones",
        "A for apple, N, N like November, A, J as in Juliet, ONES",
        "ANNAJONES",
        "Ánna Jönes",
        "the Mc Donalds",
        "order number twelve",
        "order 7",
        "That is Top Secret!",
    ],
)
def test_words_are_found_however_they_are_written_or_spelt(text: str) -> None:
    assert Finder(WANTED).matches(text)


@pytest.mark.parametrize("text", ["Anna met Mr. Jones", "Hannah Jonesy", "the order of numbers", "secret top"])
def test_other_words_are_not(text: str) -> None:
    assert not Finder(WANTED).matches(text)


@pytest.mark.parametrize(
    "text",
    [
        "sk-proj-abcdefghijklmnop0123",
        f"AC{'0a' * 16}",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJI.eyJzdWIi.c2ln",
        "Authorization: Bearer abcdef-123456",
        "anna@example.com",
        "<sip:anna@10.0.0.5:5060>",
        "my PIN is one two three",
        "1234 is the pin",
        "the code: 0 0 4",
        "4321, that's my code",
        "the P.I.N. is four three two one",
        "nine eight seven, that is the C V V",
        "anna dot smith at gmail dot com",
        "it's A Smith at G Mail dot com",
        "asmith at gmail.com",
    ],
)
def test_keys_addresses_and_codes_are_secrets(text: str) -> None:
    assert Finder().matches(text)


def test_what_is_found_is_replaced_and_all_else_stays() -> None:
    finder = Finder(WANTED)

    assert finder.censor("Call Anna Jones at 425-555-0123, or come.") == f"Call {REDACTED} at {REDACTED}, or come."


@pytest.mark.parametrize(
    "text",
    [
        "a" * 60_000,
        "1" * 60_000,
        "a." * 30_000,
        "eyJ-" * 15_000,
        "2026-11-22 " * 6_000,
    ],
    ids=["letters", "digits", "dots", "tokens", "dates"],
)
def test_the_longest_answer_of_a_tool_is_searched_in_a_moment(text: str) -> None:
    began = time.process_time()
    finder = Finder(Wanted(tuple(f"anna{number}x" for number in range(1000))))
    finder.knowing(finder.numbers_in(text)).spans(text)

    assert time.process_time() - began < 3  # a fifth of a second; from every place anew it would be many


@given(st.text(max_size=80))
def test_any_text_gives_spans_in_order_within_it(text: str) -> None:
    spans = Finder(Wanted(("a", "é1"), (r"\w|(?=b)", " ")), ["123"]).spans(text)
    edges = [edge for span in spans for edge in span]

    assert edges == sorted(edges)
    assert all(0 <= start < end <= len(text) for start, end in spans)


def test_a_list_holds_words_patterns_and_remarks(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("# customers\nAnna Jones\n\n  4711 \nre: order \\d+\n")

    assert read_wanted(path) == Wanted(("Anna Jones", "4711"), (r"order \d+",))
    assert read_wanted(None) == NUMBERS_AND_SECRETS


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"Anna\nre: order (", ":2: 'order (' is no regular expression: missing ), unterminated subpattern"),
        (b"re: x*", ":1: 'x*' matches the empty text, so it would match everywhere"),
        (b"Anna\n--", ":2: '--' holds neither letter nor digit: write a word, or `re:` and a pattern"),
        (b"J\xf6nes", ": is not UTF-8: save it as that"),
    ],
)
def test_a_broken_list_is_told_by_its_line(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes(content)

    with pytest.raises(ConfigError) as raised:
        read_wanted(path)

    assert str(raised.value).startswith(f"{path}{problem}")


def test_a_missing_list_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^REDACT_WORDS: .*none\.txt cannot be read \(No such file or dir"):
        read_wanted(tmp_path / "none.txt")


@given(
    st.lists(st.sampled_from(["re: (", "re: [", "re: a+", "re:", "re: \\", "#", "Anna"])).map("\n".join)
    | st.text(st.characters(codec="utf-8"))
)
def test_any_list_of_words_is_read_or_told_with_its_line(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any-words"
    path.write_text(text, encoding="utf-8")
    told = str(path)
    try:
        read_wanted(path)
    except ConfigError as error:
        told = str(error)

    assert told.startswith((str(path), "REDACT_WORDS"))
