"""An object store, by its URL: Azure Blob Storage, S3 and what speaks like it, Google Cloud Storage, or a folder.

Who one is there (a managed identity, a role, a key) is for obstore, which reads what the services' own tools read.
Every fault is a `CommandError` with one line, in which no query of a signed address stands. Everything blocks, for
`LONGEST_S` at most and some seconds, so whoever has a loop asks in a thread. It must not know what is kept.
"""

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from voice_agent.errors import CommandError

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Opened

LONGEST_S = 20
"""How long one request may take, and how long failed ones are tried again."""

CONNECT_S = 5


class ObjectStore:
    """One place in one store; opened when it is first used."""

    def __init__(self, url: str) -> None:
        """`url`: as `RECORDINGS_URL` says; what stands behind the container or bucket goes before every name."""
        self.url = url.rstrip("/")
        self._opened: Opened | None = None

    def address(self, name: str) -> str:
        """Give what tells anybody where an object lies."""
        return f"{self.url}/{name}"

    def put(self, path: Path, name: str) -> None:
        """Put a file there, whole or not at all; one of that name is replaced."""
        if not path.is_file():
            raise CommandError(f"{path} is not there any more")
        import obstore  # noqa: PLC0415 - an extra

        with self._told():
            obstore.put(self._store(), name, path)

    def get(self, name: str) -> bytes | None:
        """Give an object; `None`: there is none."""
        import obstore  # noqa: PLC0415 - an extra

        with self._told():
            try:
                return bytes(obstore.get(self._store(), name).bytes())
            except FileNotFoundError as error:
                if "ContainerNotFound" in str(error) or "NoSuchBucket" in str(error):
                    raise
                return None

    def folders(self) -> list[str]:
        """Give the first parts of all names that have several."""
        import obstore  # noqa: PLC0415 - an extra

        with self._told():
            return sorted(obstore.list_with_delimiter(self._store())["common_prefixes"])

    def names(self, folder: str = "") -> list[str]:
        """Give all names, or those below one of the folders."""
        import obstore  # noqa: PLC0415 - an extra

        with self._told():
            found = obstore.list(self._store(), folder or None)
            return sorted(each["path"] for part in found for each in part)

    def delete(self, name: str) -> bool:
        """Delete an object; `False`: there is none."""
        import obstore  # noqa: PLC0415 - an extra

        with self._told():
            try:
                obstore.delete(self._store(), name)
            except FileNotFoundError:
                return False
            return True

    def _store(self) -> "Opened":
        if self._opened is None:
            self._opened = _open(self.url)
        return self._opened

    @contextmanager
    def _told(self) -> Iterator[None]:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - an extra

        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            raise CommandError(f"{self.url} cannot be used ({explained(error)}): see RECORDINGS_URL") from None


def examine() -> None:
    """See whether object stores can be spoken to at all; raises `CommandError`."""
    if importlib.util.find_spec("obstore") is None:
        raise CommandError('RECORDINGS_URL needs the extra "object-store": pip install "voice-agent[object-store]"')


def _open(url: str) -> "Opened":
    from obstore.store import LocalStore, from_url  # noqa: PLC0415 - an extra

    if url.startswith("file://"):
        return LocalStore(urlsplit(url).path, mkdir=True)
    return from_url(
        url,
        client_options={"timeout": f"{LONGEST_S}s", "connect_timeout": f"{CONNECT_S}s"},
        # The caller tries again for ever, and does not wait so long for it.
        retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=LONGEST_S)},
    )


_CODE = re.compile(r"<Code>(\w+)</Code>")
_QUERY = re.compile(r"\?\S+")
_INNERMOST = re.compile(r"(?:Connection refused|dns error|timed out|TimedOut|certificate|No space left)[^\n\"]{0,80}")


def explained(error: BaseException) -> str:
    """Say in a few words what obstore says in a page: the service's own code, or the line that it begins with."""
    text = str(error)
    if code := _CODE.search(text):
        return code[1]
    line = _QUERY.sub("?…", text.strip().partition("\n")[0])
    inner = _INNERMOST.search(text, len(line))
    return f"{line}: {_QUERY.sub('?…', inner[0])}" if inner else line
