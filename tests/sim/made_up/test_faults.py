"""The faults that are drawn for a connection to the model."""

import random

from voice_agent.call.model_link import FATAL_AT_SETUP, FATAL_CODES, HARMLESS_CODES
from voice_agent.sim.made_up.faults import ERROR_CODES, draw_faults
from voice_agent.sim.realtime import parse_faults


def test_one_connection_or_two_get_faults_and_what_has_a_time_comes_within_the_call() -> None:
    drawn = [draw_faults(random.Random(seed), 5000) for seed in range(500)]
    times = [timed.at_ms for faults in drawn for each in faults for timed in parse_faults(each).timed]

    assert {len(faults) for faults in drawn} == {1, 2}
    assert times
    assert max(times) <= 5000


def test_every_code_that_the_call_knows_is_among_those_drawn() -> None:
    assert (FATAL_CODES | FATAL_AT_SETUP | HARMLESS_CODES) - set(ERROR_CODES) == set()
