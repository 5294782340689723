"""Which endpoints calls go past for a while."""

from hypothesis import given
from hypothesis import strategies as st

from voice_agent.call.setup import ModelSetup
from voice_agent.live.endpoint_health import REST_S, TRIAL_S, EndpointHealth

ONE, TWO, THREE = (ModelSetup(name=name) for name in ("azure", "azure_2", "openai"))
ALL = [ONE, TWO, THREE]


class Clock:
    now_s = 1000

    def __call__(self) -> int:
        return self.now_s


def test_an_endpoint_that_was_given_up_is_asked_last_until_it_has_rested() -> None:
    clock = Clock()
    health = EndpointHealth(clock)
    health.gave_none("azure")
    at_once = health.in_order(ALL)
    clock.now_s += REST_S - 1
    still, rests_s = health.in_order(ALL), health.rests_s("azure")
    clock.now_s += 1

    assert at_once == still == [TWO, THREE, ONE]
    assert rests_s == 1
    assert health.in_order(ALL) == ALL


def test_one_call_tries_it_and_the_others_go_past_it_meanwhile() -> None:
    clock = Clock()
    health = EndpointHealth(clock)
    health.gave_none("azure")
    clock.now_s += REST_S

    assert [health.in_order(ALL)[0] for _ in range(3)] == [ONE, TWO, TWO]
    clock.now_s += TRIAL_S
    assert health.in_order(ALL)[0] == ONE
    health.opened("azure")
    assert [health.in_order(ALL)[0] for _ in range(3)] == [ONE, ONE, ONE]


def test_where_all_rest_they_are_asked_in_their_order() -> None:
    health = EndpointHealth(Clock())
    for model in reversed(ALL):
        health.gave_none(model.name)

    assert health.in_order(ALL) == ALL


@given(st.lists(st.tuples(st.sampled_from(["azure", "azure_2", "openai", ""]), st.booleans(), st.integers(0, 40))))
def test_whatever_happens_every_endpoint_is_asked_once(happenings: list[tuple[str, bool, int]]) -> None:
    clock = Clock()
    health = EndpointHealth(clock)
    for name, good, wait_s in happenings:
        (health.opened if good else health.gave_none)(name)
        clock.now_s += wait_s

        assert sorted(model.name for model in health.in_order(ALL)) == sorted(model.name for model in ALL)
