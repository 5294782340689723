"""Environment variables and the lines of `.env`, each with where it was said, read strictly.

The environment wins over `.env`; a variable set to nothing counts as not set. Nothing is written to `os.environ`, and
`.env` is taken as it stands (no `${...}`), for passwords hold dollars. It must not know which variables there are.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

from dotenv.parser import parse_stream

from voice_agent.config.faults import instead
from voice_agent.config.secret import Secret
from voice_agent.errors import ConfigError

Choice = TypeVar("Choice", bound=str)

_INTEGER = re.compile(r"[0-9]{1,9}")


class _Variable(NamedTuple):
    value: str
    where: str
    """The name, and the line of `.env` if it is from there."""


class Variables:
    """What the user set. Each reading notes its faults in `errors` and returns the default instead of raising."""

    def __init__(self, environ: Mapping[str, str], env_file: Path | None) -> None:
        self.errors: list[ConfigError] = []
        self.doubled: dict[str, str] = {}
        """By name, of what lines of the file set to different values: where, and which of them counts."""
        self._set: dict[str, _Variable] = {}
        if env_file is not None:
            self._read_file(env_file)
        for name, value in environ.items():
            if value.strip():
                self.doubled.pop(name, None)
                self._set[name] = _Variable(value.strip(), name)

    def _read_file(self, path: Path) -> None:
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            what = (error.strerror or "not readable") if isinstance(error, OSError) else "not UTF-8 text"
            self.errors.append(ConfigError(f"cannot be read: {what}", str(path)))
            return
        for binding in parse_stream(StringIO(text)):
            original = binding.original.string
            blank = original[: len(original) - len(original.lstrip())].count("\n")  # dotenv counts from before these
            place = f"{path}:{binding.original.line + blank}"
            if binding.error or (binding.key is not None and binding.value is None):
                self.errors.append(ConfigError('expected "NAME=value"', place))
            elif binding.key is not None and binding.value is not None and binding.value.strip():
                new = _Variable(binding.value.strip(), f"{binding.key} ({place})")
                before = self._set.get(binding.key, new)
                if before.value != new.value:
                    self.doubled[binding.key] = f"{new.where}: set before, {before.where}; this one counts"
                self._set[binding.key] = new

    @property
    def names(self) -> list[str]:
        """Every name that is set, whether known or not."""
        return list(self._set)

    def where(self, name: str) -> str:
        """Return the name, with the line of `.env` that set it."""
        return self._set[name].where if name in self._set else name

    def fault(self, name: str, what: str) -> None:
        """Note what is wrong with a variable, or with its absence."""
        self.errors.append(ConfigError(what, self.where(name)))

    def text(self, name: str) -> str | None:
        """Read a text; `None`: not set."""
        variable = self._set.get(name)
        if variable is None:
            return None
        if not variable.value.isprintable():
            self.fault(name, "holds a control character or a line break; write it anew")
            return None
        return variable.value

    def secret(self, name: str) -> Secret | None:
        """Read a secret; no fault ever shows its value."""
        text = self.text(name)
        if text is not None and not text.isascii():
            self.fault(name, "holds a character that no key or token has; copy it anew")
            return None
        return None if text is None else Secret(text)

    def matching(self, name: str, pattern: str, form: str, beside_secret: bool = False) -> str | None:
        """Read a text of a given form, which `form` describes. `beside_secret`: what stands there may be that one."""
        text = self.text(name)
        if text is not None and not re.fullmatch(pattern, text):
            self.fault(name, f"is not {form}; copy it anew" if beside_secret else f'"{text[:60]}" is not {form}')
            return None
        return text

    def choice(self, name: str, choices: Sequence[Choice]) -> Choice | None:
        """Read one word out of several, in any case."""
        text = self.text(name)
        if text is None:
            return None
        for choice in choices:
            if text.lower() == choice:
                return choice
        self.fault(name, f'cannot be "{text[:60]}"; {instead(text, choices)}')
        return None

    def integer(self, name: str, lowest: int, highest: int) -> int | None:
        """Read a whole number within bounds."""
        text = self.text(name)
        if text is None:
            return None
        if _INTEGER.fullmatch(text) and lowest <= int(text) <= highest:
            return int(text)
        self.fault(name, f'must be a whole number from {lowest} to {highest}, not "{text[:60]}"')
        return None

    def amount(self, name: str) -> float | None:
        """Read an amount of money, in the currency of the prices."""
        text = self.text(name)
        if text is None:
            return None
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,6})?", text) and float(text) > 0:
            return float(text)
        self.fault(name, f'must be an amount like 20 or 0.50, not "{text[:60]}"')
        return None

    def url(self, name: str, schemes: Sequence[str], query: bool = False) -> str | None:
        """Read a URL without user, fragment and final slash, its scheme in small letters; `query`: it may have one."""
        text = self.text(name)
        if text is None:
            return None
        problem = _problem_of_url(text, schemes, query)
        if problem:
            self.fault(name, f"{problem}; write e.g. {schemes[0]}://host.example")
            return None
        scheme, colon, rest = text.rstrip("/").partition(":")
        return scheme.lower() + colon + rest


def _problem_of_url(text: str, schemes: Sequence[str], query: bool) -> str:
    """Say what is wrong with a URL, never repeating it: it may hold a key."""
    parts = split_url(text)
    if parts is None or not parts.hostname or " " in text or "\\" in text:
        return "not a URL with a host"
    if parts.scheme not in schemes:
        return f"must begin with {' or '.join(f'{scheme}://' for scheme in schemes)}"
    if parts.username is not None or "#" in text or ("?" in text and not query):
        return f"must hold no user, {'' if query else 'query '}or fragment"
    return ""


def split_url(text: str) -> SplitResult | None:
    """Take a URL apart; `None` where it is none (a bracket too many, a port that is no number, a host with `..`)."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises ValueError only when it is asked for
        (parts.hostname or "").encode("idna")  # likewise, when it is looked up
    except ValueError:
        return None
    return parts


def is_loopback(url: str) -> bool:
    """Tell whether a URL leads to this machine and nowhere else."""
    parts = split_url(url)
    host = (parts.hostname or "") if parts else ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
