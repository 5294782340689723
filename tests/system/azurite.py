"""Microsoft's own emulator of Azure Blob Storage, of npm, with a container in it."""

import base64
import contextlib
import hmac
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

PROGRAM = Path(__file__).parent / "js" / "node_modules" / ".bin" / "azurite-blob"

ACCOUNT = "devstoreaccount1"
KEY = base64.b64decode("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
"""Of every Azurite. https://learn.microsoft.com/azure/storage/common/storage-use-azurite"""

VERSION = "2021-08-06"

SECONDS = 30


class Azurite:
    """One, which keeps its data in a folder and so outlives a stop."""

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir(exist_ok=True)
        self._port = port
        self.address = f"http://127.0.0.1:{port}"
        self.environment = {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": self.address}
        """What lets a program speak to it as to the service."""
        self._command = [
            str(PROGRAM), "--silent", "--skipApiVersionCheck", "--blobPort", str(port), "--location", str(folder),
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self) -> None:
        assert PROGRAM.exists(), "azurite is missing: npm install --prefix tests/system/js"
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=2):
                return
            assert time.monotonic() < until, "azurite does not answer"
            time.sleep(0.1)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(SECONDS)
            self._process = None

    def make_container(self, name: str) -> None:
        """https://learn.microsoft.com/rest/api/storageservices/create-container"""
        date = formatdate(usegmt=True)
        headers, path = f"x-ms-date:{date}\nx-ms-version:{VERSION}", f"/{ACCOUNT}/{ACCOUNT}/{name}"
        signed = "PUT" + "\n" * 12 + f"{headers}\n{path}\nrestype:container"
        signature = base64.b64encode(hmac.digest(KEY, signed.encode(), "sha256")).decode()
        request = urllib.request.Request(f"{self.address}/{ACCOUNT}/{name}?restype=container", method="PUT")
        for header, value in (
            ("x-ms-date", date), ("x-ms-version", VERSION), ("Content-Length", "0"),
            ("Authorization", f"SharedKey {ACCOUNT}:{signature}"),
        ):  # fmt: skip
            request.add_header(header, value)
        urllib.request.urlopen(request, timeout=10).close()


@contextlib.contextmanager
def azurite(folder: Path, port: int, container: str) -> Iterator[Azurite]:
    """Run one."""
    store = Azurite(folder, port)
    try:
        store.begin()
        store.make_container(container)
        yield store
    finally:
        store.stop()
