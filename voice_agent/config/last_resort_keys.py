"""`last_resort` of an agent's YAML: what a caller hears when no model can be had, and where they go then.

    last_resort:
      clip: sorry.wav             # beside this file, heard in the call; left out: the packaged English apology
      say: Es tut uns leid ...    # said by the carrier in the agent's language, behind the clip, or in its place
      then: hang_up               # or voicemail, or {transfer: front_desk}, {transfer: "+14255550101"}

A name is one of the agent's own `transfer` tools. It must not know how a caller gets there.
"""

import re
from pathlib import Path
from typing import Literal

import yaml

from voice_agent.agent import LastResort, Tool, Transfer
from voice_agent.audio.wav import read_mulaw
from voice_agent.config.agent_keys import LAST_RESORT, LAST_TRANSFER, LAST_WORDS
from voice_agent.config.schema_forms import E164
from voice_agent.config.tool_schema import SIP
from voice_agent.config.yaml_nodes import Document, Fields, kind_of, shorten
from voice_agent.errors import ConfigError

LONGEST_CLIP_MS = 15_000
"""An apology; it is in the head of each recording."""

LARGEST_CLIP_BYTES = 4_000_000
"""So long at the highest rate and with two channels, and some room."""

_BYTES_PER_MS = 8


def read_last_resort(fields: Fields, folder: str, tools: tuple[Tool, ...]) -> LastResort | None:
    """Read it; `None`: the packaged apology, and nothing else."""
    inner = fields.fields("last_resort", tuple(LAST_RESORT), "{then: {transfer: front_desk}}")
    if inner is None:
        return None
    transfer = _transfer(inner, tools)
    then: Literal["hang_up", "voicemail"] = "hang_up"
    if transfer is None and not isinstance(inner.node("then"), yaml.MappingNode):
        then = inner.choice("then", LAST_WORDS, "hang_up")
    return LastResort(say=inner.text("say", ""), clip=_clip(inner, folder), then=then, transfer=transfer)


def _clip(fields: Fields, folder: str) -> bytes:
    node, name = fields.node("clip"), fields.text("clip", "")
    if node is None or not name:
        return b""
    path = Path(folder) / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        fields.document.fault(node, '"clip" stands beside this file, or in a folder there; write e.g. sorry.wav')
        return b""
    if path.exists() and not (path.is_file() and path.stat().st_size <= LARGEST_CLIP_BYTES):
        fields.document.fault(node, f'"clip" is no WAV file of {LONGEST_CLIP_MS // 1000} s at most')
        return b""
    try:
        audio = read_mulaw(path)
    except ConfigError as error:
        fields.document.fault(node, f'"clip" cannot be played: {error}')
        return b""
    if not 0 < len(audio) <= LONGEST_CLIP_MS * _BYTES_PER_MS:
        what = f'"clip" lasts {len(audio) / _BYTES_PER_MS / 1000:.1f} s; make it {LONGEST_CLIP_MS // 1000} s at most'
        fields.document.fault(node, what)
        return b""
    return audio


def _transfer(fields: Fields, tools: tuple[Tool, ...]) -> Transfer | None:
    node = fields.node("then")
    if not isinstance(node, yaml.MappingNode):
        return None
    inner = Fields(fields.document, node, tuple(LAST_TRANSFER))
    name = inner.text("transfer", "")
    at = inner.node("transfer")
    if at is None:
        inner.missing("transfer", "transfer: front_desk")
        return None
    if re.fullmatch(f"{E164}|{SIP}", name):
        return Transfer(to={"somebody": name})
    own = [tool.transfer for tool in tools if tool.transfer is not None]
    for transfer in own:
        if name in transfer.to:
            return Transfer(to={name: transfer.to[name]}, seconds=transfer.seconds, caller_id=transfer.caller_id)
    _no_such(fields.document, at, name, sorted({known for transfer in own for known in transfer.to}))
    return None


def _no_such(document: Document, node: yaml.Node, name: str, known: list[str]) -> None:
    if not isinstance(node, yaml.ScalarNode):
        document.fault(node, f'"transfer" cannot be {kind_of(node)}; write a name or a number like "+14255550101"')
        return
    there = f"the agent's transfer tools know {', '.join(known)}" if known else "the agent has no transfer tool"
    document.fault(node, f'"{shorten(name)}" is nobody: {there}; or write a number like "+14255550101"')
