"""Who a caller's `From` is: a number, or a word in the place of one.

Of whoever hides their number the carrier may tell a word, or a number that is that word on a telephone's keys: it looks
like one, and belongs to a stranger abroad. It must not know what becomes of a call.
"""

import re

_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
_KEYS = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "22233344455566677778889999")
_WORDS = ("ANONYMOUS", "BLOCKED", "RESTRICTED", "UNAVAILABLE", "UNKNOWN")
_WITHHELD = frozenset(f"+{word.translate(_KEYS)}" for word in _WORDS)
"""E.g. +266696687."""

HIDDEN = "unknown"
"""What stands for a number that is hidden: in a sentence, in a booking and in an address of somebody's API."""


def is_number(caller: str) -> bool:
    """Tell whether somebody can be reached there (E.164)."""
    return _NUMBER.fullmatch(caller) is not None and caller not in _WITHHELD


def shown_caller(caller: str) -> str:
    """Give what agents' texts and tools are told of the caller: what the carrier tells, unless it says nothing."""
    return HIDDEN if caller in _WITHHELD or caller.upper() in {"", *_WORDS} else caller
