"""`voice-agent doctor`: what is missing on this machine for real calls; with `--remote`, what a deployed server shows.

A line for each thing that was looked at, and exit status 1 if one of them is wrong. Nothing is paid for, and nothing is
changed but what `serve` would do at its start: the folder of the data is made, and a database's tables are brought up
to date.
"""

import argparse
import asyncio
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from voice_agent.cli.check_live import Finding, try_all
from voice_agent.cli.doctor_machine import look_at_machine
from voice_agent.cli.doctor_remote import look_at_remote
from voice_agent.config.agents import Agents, load_agents
from voice_agent.config.prices import load_prices
from voice_agent.config.references import read_references
from voice_agent.config.settings import ENV_FILE, Settings, doubtful_names, read_settings
from voice_agent.config.variables import split_url
from voice_agent.errors import CommandError, ConfigError, PeerError
from voice_agent.live.endpoints import demands_of
from voice_agent.recording.redact import read_wanted
from voice_agent.twilio_api.numbers import NumbersApi
from voice_agent.twilio_api.rest import open_rest

SUMMARY = "say what is missing on this machine, or at a deployed server, for real calls"

REST_S = 8.0


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--remote", metavar="URL", help="look at a deployed server from outside instead")


def run(remote: str | None = None) -> int:
    """Look at everything; 0: nothing is wrong, 1: at least one line says what is."""
    if remote is not None:
        parts = split_url(remote)
        known = parts is not None and parts.scheme in {"https", "http"} and parts.username is None
        if parts is None or not known or not parts.hostname:
            raise CommandError(f'--remote: "{remote[:100]}" is no address; write it like https://phone.example.com')
        return tell(asyncio.run(look_at_remote(f"{parts.scheme}://{parts.netloc}")))
    return tell(asyncio.run(examine(os.environ, ENV_FILE)))


def tell(findings: Iterable[Finding]) -> int:
    """Print a line each; gives the exit status."""
    told = list(findings)
    print(*told, sep="\n")
    wrong = sum(finding.verdict == "wrong" for finding in told)
    not_tried = sum(finding.verdict == "not tried" for finding in told)
    print(f"{wrong or 'nothing'} wrong, {not_tried} not tried")
    return 1 if wrong else 0


async def examine(environ: Mapping[str, str], env_file: Path) -> list[Finding]:
    """Look at this machine and at all that the settings name."""
    findings = [Finding("not tried", "settings", line) for line in doubtful_names(environ, env_file)]
    try:
        settings = read_settings(environ, env_file)
    except ConfigError as error:
        lines = [Finding("wrong", "settings", line) for line in str(error).splitlines()]
        return [*findings, *lines, Finding("not tried", "all else", "correct the settings first")]
    findings.append(Finding("ok", "settings", f"{settings.public_url}, model of {settings.realtime_provider}"))
    findings += look_at_lists(settings)
    agents, about = look_at_agents(environ, env_file, settings)
    findings += about
    findings += await look_at_machine(settings)
    findings += await try_all(settings, () if agents is None else agents.all)
    return findings + ([] if agents is None else await look_at_numbers(settings, agents))


def look_at_lists(settings: Settings) -> Iterator[Finding]:
    """Read what a server reads at its start beside the agents."""
    for name, path, read in (
        ("PRICES", settings.prices, load_prices),
        ("REDACT_WORDS", settings.redact_words, read_wanted),
    ):
        if path is None:
            continue
        try:
            read(path)
        except ConfigError as error:
            yield Finding("wrong", name, str(error).removeprefix(f"{name}: "))
        else:
            yield Finding("ok", name, f"{path} can be read")


def look_at_agents(
    environ: Mapping[str, str], env_file: Path, settings: Settings
) -> tuple[Agents | None, list[Finding]]:
    """Read the agents; `None`: some are wrong, with a line each."""
    try:
        agents = load_agents(settings.agents, demands_of(settings, read_references(environ, env_file)))
    except ConfigError as error:
        return None, [Finding("wrong", "agents", line) for line in str(error).splitlines()]
    names = ", ".join(agent.name for agent in agents.all)
    return agents, [Finding("ok", "agents", f"{names} (from {settings.agents})")]


async def look_at_numbers(settings: Settings, agents: Agents) -> list[Finding]:
    """Ask Twilio where the agents' numbers lead."""
    wanted = [number for agent in agents.all for number in agent.numbers]
    api = open_rest(NumbersApi, settings, REST_S)
    if api is None or not settings.is_public:
        return [Finding("not tried", "numbers", "needs the account's credentials and a public PUBLIC_URL")]
    try:
        found = {number.number: number for number in await api.all()}
    except PeerError as error:
        return [Finding("wrong", "numbers", str(error))]
    finally:
        api.close()
    ours, findings = f"{settings.public_url}/twilio/voice", []
    for number in wanted:
        if number not in found:
            remark = "an agent answers it, but the account has no such number; voice-agent numbers lists them"
            findings.append(Finding("wrong", number, remark))
        elif not found[number].voice:
            findings.append(Finding("wrong", number, "takes no calls; choose a number with the capability Voice"))
        elif (leads_to := found[number].pointing.leads_to) != ours:
            leads = f"leads to {leads_to}" if leads_to else "leads nowhere"
            findings.append(Finding("wrong", number, f"{leads}; run voice-agent numbers point {number}"))
        else:
            findings.append(Finding("ok", number, "leads here"))
    if not any(number.pointing.leads_to == ours for number in found.values()) and not wanted:
        findings.append(Finding("wrong", "numbers", "none leads here; run voice-agent numbers point +1..."))
    return findings
