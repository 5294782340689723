"""What is wrong with a user's file or environment, gathered so that all of it is told at once.

Knows nothing of YAML, variables or what is being read.
"""

import difflib
from collections.abc import Iterable

from voice_agent.errors import ConfigError, ConfigErrors


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return the known word that `word` was probably meant to be, compared without case; empty when none is near.

    `cutoff` is difflib's: 1.0 is the same word, 0.6 its idea of a resemblance.
    """
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=cutoff)
    begun = [name for name in by_lower if len(word) >= 3 and name.startswith(word.lower())]
    return by_lower[(near + begun)[0]] if near or begun else ""


def instead(word: str, known: Iterable[str]) -> str:
    """Say what to write instead of an unknown word: the nearest known one, or all of them."""
    names = list(known)
    near = nearest(word, names)
    return f'write "{near}"' if near else f"known are {', '.join(names) or 'none'}"


def raise_all(errors: Iterable[ConfigError]) -> None:
    """Raise what was found, each fault once: one as it is, several as `ConfigErrors`; return when there is none."""
    different = list({str(error): error for error in errors}.values())
    if len(different) == 1:
        raise different[0]
    if different:
        raise ConfigErrors(different)
