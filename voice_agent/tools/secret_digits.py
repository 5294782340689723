"""Digits that a caller typed and nobody may see: held for one call, put into the arguments of tools that name them.

The model knows the name alone. What a tool answers is searched for them, so that they do not come back by that way.
"""

import re
from typing import Any

from voice_agent.tools.arguments import ArgumentsError

SHORTEST = 4
"""So many digits are a PIN, and stand by chance in few texts."""

_THEIRS = re.compile(r"digits_[0-9]+")
_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")


class SecretDigits:
    """Those of one call; `repr` shows names only."""

    def __init__(self) -> None:
        self._digits: dict[str, str] = {}

    def keep(self, name: str, digits: str) -> None:
        """Hold some; `${name}` stands for them from now on."""
        self._digits[name] = digits

    def filled(self, value: Any) -> Any:
        """Put the digits into a JSON value, into its texts however deep; what is no name of theirs stays.

        Raises `ArgumentsError` for one that may have been theirs in another stream of the call.
        """
        match value:
            case str():
                return _NAME.sub(self._value, value) if "${" in value else value
            case list():
                return [self.filled(part) for part in value]
            case dict():
                return {key: self.filled(part) for key, part in value.items()}
            case _:
                return value

    def _value(self, found: re.Match[str]) -> str:
        name = found[1]
        if name not in self._digits and _THEIRS.fullmatch(name):
            raise ArgumentsError(f"the digits {found[0]} are not known any more; let the caller type them again")
        return self._digits.get(name, found[0])

    def covered(self, text: str) -> str:
        """Put the names in the place of the digits; of a few, only where they are a number of their own."""
        names = {digits: name for name, digits in self._digits.items() if digits}
        # At once, the longest first: a name holds a digit, too, which may be what somebody has typed.
        known = sorted(names, key=len, reverse=True)
        forms = [re.escape(one) if len(one) >= SHORTEST else rf"(?<!\d){re.escape(one)}(?!\d)" for one in known]
        return re.sub("|".join(forms), lambda found: f"${{{names[found[0]]}}}", text) if forms else text

    def __repr__(self) -> str:
        return f"<SecretDigits {', '.join(self._digits) or 'none'}>"
