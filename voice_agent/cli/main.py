"""`voice-agent`: finds the command, parses its arguments, turns known errors into one line.

Each command is a module `voice_agent.cli.NAME` with `SUMMARY`, `arguments(parser)` and `run(...) -> int`, whose
parameters are the parsed arguments by name. It is imported only when it is asked for, so that `--help` is quick.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from functools import partial

from voice_agent.errors import VoiceAgentError

COMMANDS = {
    "demo": "hold a spoken call on this machine, with no account",
    "serve": "answer the phone",
    "check": "examine agent files and settings, with --live credentials, with --talk scenarios",
    "doctor": "say what is missing on this machine, or at a deployed server, for real calls",
    "dial": "let an agent call a number, or the numbers of a list",
    "replay": "feed recorded calls to today's core, or speak them to a model",
    "calls": "list and show past calls",
    "numbers": "show where the account's phone numbers lead, and let one lead here",
    "simulate": "hold made-up calls with faults on a virtual clock, and look for broken rules",
    "load": "find out how many calls a bridge carries on this machine, and what they cost",
    "emulate": "run a stand-in: a Realtime server, or an emulated Twilio with a caller or a callee",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; 0 success, 1 the command's own failure, 2 wrong usage or surroundings, 130 interrupted."""
    # Before numpy is imported: a pool would cost the resamplers' small matrices more than it saves.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Its modules take seconds to load on a slow machine, and may be interrupted, too.
    return told(partial(_run, sys.argv[1:] if argv is None else list(argv)))


def _run(values: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="voice-agent", description="An AI agent on a phone number.")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = next((value for value in values if value in COMMANDS), None)
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary)
        if name == named:
            importlib.import_module(f"voice_agent.cli.{name}").arguments(subparser)
    arguments = vars(parser.parse_args(values))
    command = importlib.import_module(f"voice_agent.cli.{arguments.pop('command')}")
    return int(command.run(**arguments))


def told(run: Callable[[], int]) -> int:
    """Give an exit status, and tell what is known to go wrong in one line."""
    try:
        return run()
    except VoiceAgentError as error:
        print(f"voice-agent: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return 0


if __name__ == "__main__":
    sys.exit(main())
