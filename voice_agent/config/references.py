"""References: `${NAME}` in an agent's file stands for a variable of the environment, mostly a secret.

An agent keeps the reference; its value is filled in where a text leaves the program, so that no recording, log or error
can hold it, and covered again where a peer sends it back. It must not know which texts may hold references.
"""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from voice_agent.config.faults import nearest
from voice_agent.config.secret import Secret
from voice_agent.config.variables import Variables

NAME = "[A-Za-z_][A-Za-z0-9_]{0,63}"
PATTERN = r"\$\{" + NAME + r"\}"
"""Of the kind that Python and JavaScript read alike."""

SHORTEST = 8
"""What is shorter is no secret, and could not be covered without spoiling other texts."""

_REFERENCE = re.compile(r"\$\{(" + NAME + r")\}")


def names_in(texts: Iterable[str]) -> list[str]:
    """List the variables that texts name, each once."""
    return list(dict.fromkeys(name for text in texts for name in _REFERENCE.findall(text)))


class References:
    """The variables' values; `repr` shows names only."""

    def __init__(self, values: Mapping[str, Secret], problems: Mapping[str, str] | None = None) -> None:
        """`problems`: what is wrong with variables that are set."""
        self._values = dict(values)
        self._problems = dict(problems or {})

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to fill in or to cover."""
        return not self._values

    def problem(self, name: str) -> str:
        """Say why a variable cannot be used, with the remedy; empty: it can."""
        if name in self._values:
            return ""
        if name in self._problems:
            return f"${{{name}}}: {self._problems[name]}"
        near = nearest(name, self._values, cutoff=0.8)
        return f'"${{{name}}}" is not set; ' + (
            f'is it meant to be "${{{near}}}"?' if near else f"set {name} in the environment or in .env"
        )

    def only(self, names: Iterable[str]) -> "References":
        """Give those of some variables: nobody else's are filled in or covered then."""
        return References({name: self._values[name] for name in names if name in self._values})

    def filled(self, text: str) -> str:
        """Put the values into a text; an unknown name stays as it is."""
        return _REFERENCE.sub(self._value, text)

    def covered(self, text: str) -> str:
        """Put the references back in the place of their values, in plain text and in JSON."""
        for name, secret in self._values.items():
            value = secret.reveal()
            quoted = json.dumps(value)[1:-1]
            # The longest first, for the others may stand in it.
            for written in sorted({value, quoted, quoted.replace("/", r"\/")}, key=len, reverse=True):
                if written in text:
                    text = text.replace(written, f"${{{name}}}")
        return text

    def _value(self, found: re.Match[str]) -> str:
        secret = self._values.get(found[1])
        return found[0] if secret is None else secret.reveal()

    def __repr__(self) -> str:
        return f"<References to {', '.join(sorted(self._values)) or 'nothing'}>"


NOTHING = References({})


def read_references(environ: Mapping[str, str], env_file: Path | None = None) -> References:
    """Read all variables that are set; those that can be no secret are a problem only for whoever names them."""
    variables = Variables(environ, env_file)
    values: dict[str, Secret] = {}
    problems: dict[str, str] = {}
    for name in variables.names:
        before = len(variables.errors)
        secret = variables.secret(name)
        if len(variables.errors) > before:
            problems[name] = variables.errors[-1].what
        elif secret is not None and len(secret.reveal()) < SHORTEST:
            problems[name] = f"is shorter than {SHORTEST} characters; what is no secret belongs into the file itself"
        elif secret is not None:
            values[name] = secret
    return References(values, problems)
