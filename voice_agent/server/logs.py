"""Log lines: text for people or JSON for machines, each with its call, none with a whole phone number.

It must not know who logs.
"""

import logging
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal, TextIO

import msgspec

from voice_agent.errors import printable

_PHONE_NUMBER = re.compile(r"((?:\+|%2[Bb])\d{3,11})\d{4}(?!\d)")
"""E.164 has 15 digits at most; in addresses the `+` is encoded."""


def shorten_numbers(text: str) -> str:
    """Hide the last four digits of every phone number in a text."""
    return _PHONE_NUMBER.sub(r"\1****", text)


def one_entry(text: str) -> str:
    """Indent what goes on in further lines, and write out what moves a cursor: parts may come from strangers."""
    return "\n  ".join(map(printable, text.split("\n")))


class TextFormatter(logging.Formatter):
    """`12:00:01.250 warning CA0123… refused (...)`."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record; a traceback follows on indented lines of its own."""
        moment = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
        call = getattr(record, "call", "")
        line = f"{moment} {record.levelname.lower()} {f'{call} ' if call else ''}{record.getMessage()}"
        if record.exc_info:
            line = f"{line}\n{self.formatException(record.exc_info)}"
        return shorten_numbers(one_entry(line))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message; call and call_ms where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": shorten_numbers(record.getMessage()),
        }
        for name in ("call", "call_ms"):
            if getattr(record, name, "") != "":
                fields[name] = getattr(record, name)
        if record.exc_info:
            fields["traceback"] = shorten_numbers(self.formatException(record.exc_info))
        return msgspec.json.encode(fields).decode()


class _Covering(logging.Formatter):
    def __init__(self, plain: logging.Formatter, cover: Callable[[str], str]) -> None:
        super().__init__()
        self._plain = plain
        self._cover = cover

    def format(self, record: logging.LogRecord) -> str:
        return self._cover(self._plain.format(record))


def set_up_logging(
    level: Literal["debug", "info", "warning", "error"],
    style: Literal["text", "json"],
    stream: TextIO | None = None,
    cover: Callable[[str], str] = str,
) -> logging.Handler:
    """Send the program's log lines to `stream` (stderr); gives the handler, to be taken away again.

    `cover`: takes secrets out of a line, wherever they come from; they should not get there in the first place.

    Other packages are heard from `warning` on only: at `debug` the WebSocket library logs every message.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Covering(JsonFormatter() if style == "json" else TextFormatter(), cover))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("voice_agent").setLevel(level.upper())
    # Its warnings are of what strangers send, which is counted and told within bounds (`refusals`).
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    return handler
