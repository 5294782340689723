"""Calls that we place, as they are drawn and held."""

import random
from typing import get_args

from tests.sim.made_up.test_drawing import many
from tests.sim.made_up.test_typing import CLIPS
from voice_agent.call.commands import Note
from voice_agent.call.events import AnsweredBy
from voice_agent.sim.made_up.holding import hold


def test_every_kind_of_call_that_we_place_comes_to_be_drawn() -> None:
    placed = [call for call in many() if call.setup.outbound]
    verdicts = [verdict for call in placed for verdict in call.verdicts]

    assert 0.05 < len(placed) / len(many()) < 0.2
    assert {wish and wish.do for wish in (call.setup.agent.on_machine for call in placed)} == {
        *(None, "hang_up", "leave", "continue")
    }
    assert {verdict.answered_by for verdict in verdicts} == set(get_args(AnsweredBy))
    assert {len(call.verdicts) for call in placed} == {0, 1, 2, 3}
    assert not any(call.verdicts for call in many() if call.setup.agent.on_machine is None)


def test_people_and_machines_are_called_and_no_rule_is_broken() -> None:
    placed = [call for call in many() if call.verdicts][:12]
    heard, outcomes = 0, set()
    for call in placed:
        held, world = hold(call, random.Random(call.seed), CLIPS, direct=True)
        assert held.breaks == ()
        heard += any(isinstance(note, Note) and "who answered" in note.what for _, note in world.reports)
        outcomes.add(held.outcome)

    assert heard > 8
    assert {"machine", "caller_hung_up"} <= outcomes
