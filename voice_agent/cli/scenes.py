"""The scenes of `voice-agent demo`: each is one scenario of one packaged agent, held once.

Words and expectations stand in the agent's file, where `check --talk` reads them too. It must not know how a scene is
held, nor how it is shown.
"""

from pathlib import Path

import msgspec

from voice_agent.agent import Agent
from voice_agent.config.agents import load_agent_file
from voice_agent.config.faults import nearest
from voice_agent.config.scenario_keys import Scenario
from voice_agent.config.settings import PACKAGED_AGENTS
from voice_agent.errors import CommandError


class Scene(msgspec.Struct, frozen=True):
    """One scene."""

    name: str
    file: str
    """Of the agent, below the packaged ones; those beside it may take the call over."""
    scenario: str
    """Its name in that file."""
    told: str
    """What happens, in one line."""
    faults: str = ""
    """Of the model's sessions, as `emulate realtime --fault` takes them."""

    @property
    def folder(self) -> Path:
        """Where the agent and its dialogue stand."""
        return (PACKAGED_AGENTS / self.file).parent

    def load(self) -> tuple[Agent, Scenario]:
        """Read the agent's file."""
        file = load_agent_file(PACKAGED_AGENTS / self.file)
        return file.agent, next(one for one in file.scenarios if one.name == self.scenario)


SCENES = (
    Scene(
        "ask",
        "reception.yaml",
        "a long answer, cut short by another question",
        "a question, a long answer that is interrupted, a tool, a goodbye",
    ),
    Scene(
        "book",
        "table.yaml",
        "a table, asked for in the middle of an answer",
        "a question about the menu, interrupted to book a table, a tool with three arguments",
    ),
    Scene(
        "digits",
        "parcel/parcel.yaml",
        "a parcel, found by the digits that are typed",
        "four digits, typed on the keypad, by which a parcel is found",
    ),
    Scene(
        "handover",
        "parcel/parcel.yaml",
        "a broken parcel, for which another agent takes over",
        "a call that another agent takes over, who knows what was said",
    ),
    Scene(
        "slow",
        "dental/dental.yaml",
        "an appointment, found in a calendar that is slow",
        "a calendar that takes five seconds, while the caller hears a sign of life",
    ),
    Scene(
        "transfer",
        "dental/dental.yaml",
        "a person is asked for, whose line is busy",
        "a caller is put through, the line is busy, and the agent knows why they are back",
    ),
    Scene(
        "warm",
        "parcel/claims.yaml",
        "the manager is asked, and does not take the call",
        "a colleague is asked on a second call, declines, and the caller stays with the agent",
    ),
    Scene(
        "machine",
        "reminder.yaml",
        "an answering machine, which is left the reminder",
        "a call of ours that an answering machine takes: the message is left behind its tone",
    ),
    Scene(
        "lost",
        "reception.yaml",
        "a long answer, heard to its end",
        "the model's session is lost in the middle of an answer, and the call goes on",
        "drop@8.2;",
    ),
    Scene(
        "closed",
        "dental/dental.yaml",
        "a call on a Sunday, when nobody is there",
        "a call outside of the business hours, which a night agent takes",
    ),
)


def scene_named(name: str) -> Scene:
    """Find a scene; raises `CommandError` that names the nearest one, or all."""
    found = next((scene for scene in SCENES if scene.name == name), None)
    if found is None:
        near = nearest(name, [scene.name for scene in SCENES])
        what = f'did you mean "{near}"?' if near else f"there are {', '.join(scene.name for scene in SCENES)}"
        raise CommandError(f'there is no scene "{name}"; {what}')
    return found
