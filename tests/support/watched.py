"""Waits for what other processes put into a folder: the kernel tells of each change, and nobody looks in between."""

import asyncio
import ctypes
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

MODIFY, MOVED_TO, CREATE = 0x2, 0x80, 0x100
"""https://man7.org/linux/man-pages/man7/inotify.7.html"""


async def until(condition: Callable[[], Coroutine[Any, Any, bool]], folder: Path) -> None:
    """Wait until something is true, which is looked at anew when anything in a folder changes, at whatever depth."""
    libc = ctypes.CDLL(None, use_errno=True)
    changes = libc.inotify_init1(os.O_NONBLOCK)
    assert changes >= 0, os.strerror(ctypes.get_errno())
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hear() -> None:
        os.read(changes, 65536)
        changed.set()

    loop.add_reader(changes, hear)
    try:
        while True:
            # A folder that is watched already is not watched twice.
            for each, _, _ in os.walk(folder):
                libc.inotify_add_watch(changes, os.fsencode(each), MODIFY | MOVED_TO | CREATE)
            changed.clear()
            if await condition():
                return
            await changed.wait()
    finally:
        loop.remove_reader(changes)
        os.close(changes)
