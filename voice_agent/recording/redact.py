"""Finds what must not stay in a recording: telephone numbers, keys, secrets, and words given by list or pattern.

Texts are compared as they are spoken: "four two five", "4-2-5" and "double five" are digits, and a name that is spelt
letter by letter is that name. Spoken digits are those of English; of other languages figures are known, which is how
transcribers mostly write numbers. What looks a little like a secret counts as one: a text too many costs a test some
words, a text too few cannot be called back.

It must not know what a text belongs to: `review.redacted` asks it about a whole call.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate, groupby
from pathlib import Path

import msgspec

from voice_agent.errors import ConfigError

REDACTED = "[redacted]"
"""What stands in the place of a text."""

NUMBER_DIGITS = 7
"""So many digits in a row are a telephone number, a card or an account; clock times and prices are shorter."""

PART_DIGITS = 4
"""So many digits that stand in a known number give it away: "the one that ends in 0123"."""

SHORTEST_KNOWN = 3
"""A shorter known number would be found in every second sentence."""

PATTERN_SIGN = "re:"
"""Begins a line of the list that is a regular expression."""

_TOKEN = re.compile(r"\d+|[^\W\d_]+")

_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SPOKEN = {word: str(number) for number, word in enumerate((*_DIGITS, *_TEENS))}
_SPOKEN |= {word: f"{number}0" for number, word in enumerate(_TENS, 2)}
_SPOKEN |= {"oh": "0", "o": "0", "nought": "0", "naught": "0", "niner": "9"}
_HEARD = {"won": "1", "to": "2", "too": "2", "for": "4", "fore": "4", "ate": "8"}
"""What recognisers write for digits; it counts only between digits."""
_TIMES = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}
_ZEROS = {"hundred": 2, "thousand": 3}
_BETWEEN = frozenset(
    [
        *("and", "then", "next", "now", "so", "well", "um", "uh", "uhm", "er", "erm", "ah", "hm", "hmm", "mm", "mhm"),
        *("yes", "yeah", "yep", "ok", "okay", "sorry"),
        *("dash", "hyphen", "minus", "dot", "point", "comma", "pause", "plus", "space", "slash", "ext"),
    ]
)
"""What people say between the digits of one number."""
_AS_IN = (("as", "in"), ("for",), ("like",))
"""What stands between a letter and a word that begins with it."""
_DATE = re.compile(r"\b(?:19|20)\d\d-[01]\d-[0-3]\d(?!\d)")
"""A date is no number, though it has eight digits."""

_OF_CODES = r"\b(?:p ?i ?n|password|passcode|code|c ?v ?[vc]|s ?s ?n|social security)\b"
"""What makes digits near it a secret, spelt or not."""

_SECRETS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:sk|rk|pk)-[\w-]{16,}",
        r"\b(?:AC|SK)[0-9a-f]{32}\b",
        r"\bAKIA[0-9A-Z]{16}\b",
        r"(?<![\w-])eyJ[\w-]{8,}+\.[\w-]++\.[\w-]*",
        r"\bbearer\s+[\w.~+/-]{8,}=*",
        r"\bsips?:[^\s;<>\"]+",
        r"(?<![\w.+-])[\w.+-]++@[\w-]++(?:\.[\w-]++)+",
        r"\bat\s++(?:(?:[\w-]++\s++){1,4}dot\s++|(?!\d+\.)[\w-]++\.)[a-z]{2,}+\b",
        rf"{_OF_CODES}\D{{0,40}}\d{{3,}}|(?<!\d)\d{{3,}}+\D{{0,20}}{_OF_CODES}",
    )
)
"""Keys as their makers write them, addresses, and digits near the word that makes them a secret.

Whatever may be long is looked at from its beginning alone, and given back no piece of it: a tool may answer with a
million letters.
"""


class Wanted(msgspec.Struct, frozen=True):
    """What is to be found beside numbers and secrets."""

    words: tuple[str, ...] = ()
    """Words, names and phrases, found however they are written or spelt; or numbers of three digits or more."""
    patterns: tuple[str, ...] = ()
    """Regular expressions, without case; asked of the text, and of the text in small letters with digits for words."""


NUMBERS_AND_SECRETS = Wanted()
"""Nothing beside them."""


def read_wanted(path: Path | None) -> Wanted:
    """Read a list: a word or phrase a line, `re:` before a pattern, `#` before a remark; `None`: there is none.

    Raises `ConfigError`.
    """
    if path is None:
        return NUMBERS_AND_SECRETS
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        why = f"{path} cannot be read ({error.strerror or error}); name a file with a word or a phrase a line"
        raise ConfigError(why, "REDACT_WORDS") from None
    except UnicodeDecodeError:
        raise ConfigError("is not UTF-8: save it as that", str(path)) from None
    words, patterns = [], []
    for number, raw in enumerate(lines, 1):
        line, where = raw.strip(), f"{path}:{number}"
        if line.startswith(PATTERN_SIGN):
            patterns.append(_checked(line.removeprefix(PATTERN_SIGN).strip(), where))
        elif line and not line.startswith("#"):
            if not _TOKEN.search(line):
                raise ConfigError(
                    f"{line!r} holds neither letter nor digit: write a word, or `re:` and a pattern", where
                )
            words.append(line)
    return Wanted(tuple(words), tuple(patterns))


def _checked(pattern: str, where: str) -> str:
    try:
        found = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"{pattern!r} is no regular expression: {error}", where) from None
    if found.match(""):
        raise ConfigError(f"{pattern!r} matches the empty text, so it would match everywhere", where)
    return pattern


def digits_of(text: str) -> str:
    """Give the digits of a text that is one number, such as `+1 (425) 555-0123`."""
    return "".join(str(unicodedata.decimal(character)) for character in text if character.isdecimal())


class _Token(msgspec.Struct, frozen=True, gc=False):
    """A word or a number, as it is compared, and where it stands in the text."""

    text: str
    start: int
    end: int


class Finder:
    """Knows what to find; the same for all texts of a call."""

    def __init__(self, wanted: Wanted = NUMBERS_AND_SECRETS, numbers: Iterable[str] = ()) -> None:
        """`numbers`: known ones, as digits."""
        self._wanted = wanted
        given = [word for word in wanted.words if not re.search(r"[^\W\d_]", word)]
        known = {*numbers, *map(digits_of, given)}
        # Zeros are what redaction leaves of digits.
        self._numbers = tuple(sorted(number for number in known if len(number) >= SHORTEST_KNOWN and number.strip("0")))
        self._all_numbers = " ".join(self._numbers)
        # What is longer counts by its length.
        self._short_numbers = tuple(number for number in self._numbers if len(number) < NUMBER_DIGITS)
        self._words = _Words("".join(token.text for token in _tokens(word)) for word in wanted.words)
        self._patterns = (*_SECRETS, *(re.compile(pattern, re.IGNORECASE) for pattern in wanted.patterns))

    def knowing(self, numbers: Iterable[str]) -> "Finder":
        """Give a finder that knows further numbers."""
        return Finder(self._wanted, (*self._numbers, *numbers))

    def numbers_in(self, text: str) -> set[str]:
        """Give the numbers that are long enough to be told by their length."""
        return {token.text for token in _normalised(text) if _is_number(token.text)}

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Say where something stands: beginning and end of each, in order, none touching another."""
        normalised = _normalised(text)
        found = [(token.start, token.end) for token in normalised if self._is_secret(token.text)]
        found += self._words.spans(_spelt(_tokens(text)))
        found += self._patterns_in(text, normalised)
        merged: list[tuple[int, int]] = []
        for start, end in sorted(found):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        return merged

    def matches(self, text: str) -> bool:
        """Say whether there is anything in a text."""
        return bool(self.spans(text))

    def censor(self, text: str) -> str:
        """Write `REDACTED` in the place of all that is found."""
        for start, end in reversed(self.spans(text)):
            text = text[:start] + REDACTED + text[end:]
        return text

    def _is_secret(self, digits: str) -> bool:
        if not digits.isdecimal():
            return False
        return (
            _is_number(digits)
            or (len(digits) >= PART_DIGITS and digits in self._all_numbers)
            or any(number in digits for number in self._short_numbers)
        )

    def _patterns_in(self, text: str, normalised: list[_Token]) -> Iterator[tuple[int, int]]:
        plain = " ".join(token.text for token in normalised)
        ends = [*accumulate(len(token.text) + 1 for token in normalised)]
        for pattern in self._patterns:
            yield from (found.span() for found in pattern.finditer(text) if found[0])
            for found in pattern.finditer(plain):
                if found[0].strip():
                    first, last = bisect_right(ends, found.start()), bisect_right(ends, found.end() - 1)
                    yield normalised[first].start, normalised[last].end


def _normalised(text: str) -> list[_Token]:
    """Give a text's words, each row of digits as one."""
    in_dates = {place for found in _DATE.finditer(text) for place in range(*found.span())}
    tokens: list[_Token] = []
    number = _Number()
    heard = _as_heard(_tokens(text))
    for before, token in zip([None, *heard], heard, strict=False):
        # What is apart: hours and minutes, and the parts of a date.
        apart = before is not None and ":" in text[before.end : token.start]
        if apart or token.start in in_dates:
            tokens += number.end()
        if not number.take(token):
            tokens += number.end()
            tokens.append(token)
    return [*tokens, *number.end()]


class _Number:
    """Puts a number together from what people say of it."""

    def __init__(self) -> None:
        self._digits = ""
        self._start = self._end = 0
        self._open = 0
        """How many of the last digits are zeros that the next word may fill: 1 after "twenty", 2 after "hundred"."""
        self._times = 1

    def take(self, token: _Token) -> bool:
        """Take a token if it belongs to a number, to the one that has begun or a new one."""
        word = token.text
        digits = word if word.isdecimal() else _SPOKEN.get(word, "")
        if (digits or word in _TIMES) and not self._digits and self._times == 1:
            self._start = token.start
        if digits:
            self._append(digits, is_word=not word.isdecimal())
            self._end = token.end
        elif word in _TIMES:
            self._times = _TIMES[word]
        elif self._digits and word in _ZEROS:
            self._digits += "0" * _ZEROS[word]
            self._open = _ZEROS[word]
            self._end = token.end
        else:
            return bool(self._digits) and word in _BETWEEN
        return True

    def _append(self, digits: str, *, is_word: bool) -> None:
        if is_word and len(digits) <= self._open and digits.strip("0") and self._times == 1:
            self._digits = self._digits[: -len(digits)] + digits
        else:
            self._digits += digits * self._times
        self._open = 1 if is_word and len(digits) == 2 and digits[1] == "0" and digits[0] != "1" else 0
        self._times = 1

    def end(self) -> list[_Token]:
        """Give the number, if there is one, and begin anew."""
        number = [_Token(self._digits, self._start, self._end)] if self._digits else []
        self._digits, self._open, self._times = "", 0, 1
        return number


def _as_heard(tokens: list[_Token]) -> list[_Token]:
    """Write the digits that a recogniser took for words: those between two single digits, or in a long row of them."""
    read = []
    for is_row, group in groupby(tokens, _is_single):
        row = list(group)
        for place, token in enumerate(row):
            inside = 0 < place < len(row) - 1 or len(row) >= NUMBER_DIGITS
            heard = _HEARD.get(token.text, "") if is_row and inside else ""
            read.append(_Token(heard, token.start, token.end) if heard else token)
    return read


def _is_single(token: _Token) -> bool:
    """Say whether a word is one digit, or may be."""
    digits = token.text if token.text.isdecimal() else _SPOKEN.get(token.text, _HEARD.get(token.text, ""))
    return len(digits) == 1


def _is_number(digits: str) -> bool:
    return len(digits) >= NUMBER_DIGITS and digits.isdecimal() and bool(digits.strip("0"))


def _folded(word: str) -> str:
    """Write a word without case and accents."""
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(character for character in apart if not unicodedata.combining(character))


def _tokens(text: str) -> list[_Token]:
    return [
        _Token(digits_of(found[0]) if found[0].isdecimal() else _folded(found[0]), found.start(), found.end())
        for found in _TOKEN.finditer(text)
    ]


def _spelt(tokens: list[_Token]) -> list[_Token]:
    """Write "double s" as two letters, and "s as in sugar" as one."""
    read: list[_Token] = []
    place = 0
    while place < len(tokens):
        token = tokens[place]
        place = _end_of_example(tokens, place)
        if read and read[-1].text in _TIMES and len(token.text) == 1:
            read[-1] = _Token(token.text * _TIMES[read[-1].text], read[-1].start, tokens[place - 1].end)
        else:
            read.append(_Token(token.text, token.start, tokens[place - 1].end))
    return read


def _end_of_example(tokens: list[_Token], place: int) -> int:
    """Say behind which token a word or letter ends, with the example that tells which letter it is."""
    letter = tokens[place].text
    for between in _AS_IN if len(letter) == 1 else ():
        example = place + 1 + len(between)
        said = tuple(token.text for token in tokens[place + 1 : example])
        if said == between and example < len(tokens) and tokens[example].text.startswith(letter):
            return example + 1
    return place + 1


class _Words:
    """Words, names and phrases that are looked for, thousands of them in no more time than one."""

    def __init__(self, words: Iterable[str]) -> None:
        self._words = frozenset(words)
        self._beginnings = frozenset(word[:length] for word in self._words for length in range(1, len(word) + 1))

    def spans(self, tokens: list[_Token]) -> Iterator[tuple[int, int]]:
        """Find them in what follows each other, together or in pieces: "McDonald", "Mc Donald", "J. O. N. E. S."."""
        for first, token in enumerate(tokens):
            together = ""
            for place in range(first, len(tokens)):
                together += tokens[place].text
                if together in self._words or (together[-1:] == "s" and together[:-1] in self._words):
                    yield token.start, tokens[place].end
                if together not in self._beginnings:
                    break
