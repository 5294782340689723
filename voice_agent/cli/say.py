"""Prints what happens as it happens, also through a pipe whose reader leaves."""

import os
import signal
import sys


def say(line: str) -> None:
    """Print a line at once. If nobody reads any more, as behind `| head`, the command ends as by Ctrl-C.

    Called back in the middle of a call, it must not raise.
    """
    try:
        print(line, flush=True)
    except BrokenPipeError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        signal.raise_signal(signal.SIGINT)
