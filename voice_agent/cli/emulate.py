"""`voice-agent emulate`: stand-ins for the two services, each a command (`emulate_realtime`, `emulate_call`)."""

import argparse
import importlib
from typing import Any

SUMMARY = "run a stand-in: a Realtime server, or an emulated Twilio with a caller or a callee"

_STAND_INS = {
    "realtime": "a Realtime server that hears and speaks on this machine, for anybody's client",
    "callee": "an emulated Twilio that places calls by its REST API, and somebody who takes them",
    "call": "a call through an emulated Twilio to any server that speaks Media Streams",
}


def arguments(parser: argparse.ArgumentParser) -> None:
    """Add the stand-ins and their arguments."""
    subparsers = parser.add_subparsers(dest="stand_in", metavar="STAND_IN", required=True)
    for name, summary in _STAND_INS.items():
        _module(name).arguments(subparsers.add_parser(name, help=summary, description=summary))


def run(stand_in: str, **values: Any) -> int:
    """Run one of them."""
    return int(_module(stand_in).run(**values))


def _module(name: str) -> Any:
    return importlib.import_module(f"voice_agent.cli.emulate_{name}")
