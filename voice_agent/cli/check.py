"""`voice-agent check`: examines settings and agent files; `--live` tries every credential, `--talk` every scenario.

Every fault is a line that says where, what and what to write instead; an editor jumps to `file:line:column`.
"""

import argparse
import asyncio
import os
from collections.abc import Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import get_args

from voice_agent.agent import Agent
from voice_agent.cli.check_live import try_all
from voice_agent.config.agent_keys import schema_text
from voice_agent.config.agents import Agents, Demands, agent_paths, load_agent, load_agents
from voice_agent.config.models import azure_remarks
from voice_agent.config.prices import load_prices
from voice_agent.config.references import read_references
from voice_agent.config.settings import ENV_FILE, Provider, Settings, agents_path, doubtful_names, read_settings
from voice_agent.config.sms_tools import mute
from voice_agent.errors import ConfigError
from voice_agent.live.clock import utc_now
from voice_agent.live.endpoints import demands_of, reachable, remarks
from voice_agent.recording.redact import read_wanted

SUMMARY = "examine agent files and settings, with --live credentials, with --talk scenarios"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.add_argument("path", nargs="?", help="an agent file or a folder of them (default: AGENTS)")
    parser.add_argument("--live", action="store_true", help="try every credential and address that is set")
    parser.add_argument(
        "--talk",
        action="store_true",
        help="hold the agents' scenarios with synthesised callers; tools run",
    )
    parser.add_argument(
        "--against",
        choices=get_args(Provider),
        default="emulator",
        help="with --talk: what answers (default: %(default)s)",
    )
    parser.add_argument("--schema", action="store_true", help="only print the JSON Schema of agent files, for editors")


def run(
    path: str | None = None,
    live: bool = False,
    talk: bool = False,
    against: Provider = "emulator",
    schema: bool = False,
) -> int:
    """Examine everything; 0: all is well, 1: at least one line says what is not. `schema`: only print it."""
    if schema:
        print(schema_text(), end="")
        return 0
    where = Path(path) if path is not None else agents_path(os.environ, ENV_FILE)
    status = examine(where, live, os.environ, ENV_FILE, utc_now().date())
    if talk and status:
        print("talk: nothing held; correct the above first")
    elif talk:
        # It brings the whole server along, and the store.
        from voice_agent.cli.check_talk import talk as hold_scenarios  # noqa: PLC0415 - see above

        good = asyncio.run(hold_scenarios(where, against, os.environ, ENV_FILE, partial(print, flush=True)))
        return 0 if good else 1
    return status


def examine(path: Path | None, live: bool, environ: Mapping[str, str], env_file: Path | None, today: date) -> int:
    """Do the work of `run` with these surroundings."""
    settings = _examine_settings(environ, env_file)
    if settings is not None:
        settings = _examine_model(settings, today)
    references = read_references(environ, env_file)
    # Settings with faults say nothing of a model.
    demands = Demands(references=references) if settings is None else demands_of(settings, references)
    agents = _examine_agents(path or agents_path(environ, env_file), demands, settings, today)
    good = agents is not None
    if live and settings is None:
        print("live: nothing tried; correct the settings first")
    elif live and settings is not None:
        findings = asyncio.run(try_all(settings, agents.all if agents is not None else ()))
        print(*findings, sep="\n")
        good = good and all(finding.verdict != "wrong" for finding in findings)
    return 0 if good and settings is not None else 1


def _examine_settings(environ: Mapping[str, str], env_file: Path | None) -> Settings | None:
    settings = None
    try:
        settings = read_settings(environ, env_file)
    except ConfigError as error:
        print(error)
    else:
        print(f"settings: OK: {settings.public_url}, model of {settings.realtime_provider}")
    for line in doubtful_names(environ, env_file):
        print(f"warning: {line}")
    return settings


def _examine_model(settings: Settings, today: date) -> Settings | None:
    """Say what is known of the models; `None`: what endpoints, prices or a list of words need is not there."""
    for told in remarks(settings, today):
        print(f"warning: {told}")
    good = True
    for read in (
        lambda: load_prices(settings.prices),
        lambda: read_wanted(settings.redact_words),
        lambda: reachable(settings),
    ):
        try:
            read()
        except ConfigError as error:
            print(error)
            good = False
    return settings if good else None


def _examine_agents(path: Path, demands: Demands, settings: Settings | None, today: date) -> Agents | None:
    """Print a line for each good agent and each fault; the clashes between agents once all of them are good.

    `None`: at least one is not.
    """
    endpoints = () if settings is None else (settings, *(each.settings for each in settings.realtime_fallbacks))
    on_azure = any(each.realtime_provider == "azure" for each in endpoints)
    try:
        files = agent_paths(path)
    except ConfigError as error:
        print(error)
        return None
    good = True
    for file in files:
        try:
            agent = load_agent(file, demands)
        except ConfigError as error:
            print(error)
            good = False
        else:
            print(f"{file}: OK: {_describe(agent, alone=len(files) == 1)}")
            told = azure_remarks(agent, today) if on_azure else ()
            for line in (*told, *mute([agent], settings is None or settings.has_rest)):
                print(f"warning: {file}: {line}")
    if not good:
        return None
    try:
        return load_agents(path, demands)
    except ConfigError as error:
        print(error)
        return None


def _describe(agent: Agent, alone: bool) -> str:
    reached = [*agent.numbers]
    if agent.default or alone:
        reached.append("every number" if alone and not reached else "every other number")
    tools = ", ".join(
        [*(tool.name for tool in agent.tools), *(f"those of {server.server_label}" for server in agent.mcp)]
    )
    return f"{agent.name}; answers {', '.join(reached) or 'no number yet'}; tools: {tools or 'none'}"
