"""Every exception of the project, in one tree.

    VoiceAgentError
    ├── ConfigError      the user's file or environment is wrong: one line, what, where, what to do instead
    │   └── ConfigErrors several of them, found at once: a line each
    ├── PeerError        Twilio, the model or a recording broke its format; counted or shown, never fatal to a call
    │   ├── RefusedError     it refuses a request, and says why by a code of its own
    │   └── UnreachedError   the request never left
    └── CommandError     a command cannot do its work (port taken, folder unwritable): one line, exit status 2

What can only be our own fault is an `AssertionError`, with the reason why it cannot happen.
"""

from collections.abc import Sequence


def printable(text: str) -> str:
    """Escape what would end the line, steer a terminal or not be seen, as Python writes it in a string."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


class VoiceAgentError(Exception):
    """The root of the tree; its text is readable lines, nearly always one."""


class ConfigError(VoiceAgentError):
    """A setting or an agent file is wrong; `where` is `file:line:column` or the variable's name, as far as known."""

    def __init__(self, what: str, where: str = "") -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.what = what
        self.where = where


class ConfigErrors(ConfigError):  # noqa: N818 - several of them, said by the plural
    """All that is wrong with one file or one environment: a line each, in `errors`."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = tuple(errors)


class PeerError(VoiceAgentError):
    """A message of the other side that its protocol does not allow; the text names the field, never its audio.

    It is one line, whatever of the peer's is quoted in it: what cannot be printed is escaped.
    """

    def __init__(self, what: str) -> None:
        super().__init__(printable(what))


class RefusedError(PeerError):
    """A request that the other side does not grant; `code` is its own for why, or empty."""

    def __init__(self, what: str, code: str = "") -> None:
        super().__init__(what)
        self.code = code


class UnreachedError(PeerError):
    """A request that never left, for the other side could not be reached: it is certain that nothing was done."""


class CommandError(VoiceAgentError):
    """A command cannot go on for a reason outside the program; the text says what to do."""
