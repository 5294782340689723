"""Named deadlines."""

from hypothesis import given
from hypothesis import strategies as st

from voice_agent.call.deadlines import Deadlines


def test_nothing_is_waited_for_at_first() -> None:
    deadlines = Deadlines()

    assert deadlines.earliest() is None
    assert deadlines.take_due(1000) == []


def test_naming_a_deadline_again_moves_it() -> None:
    deadlines = Deadlines()
    deadlines.set("tea", 100)
    deadlines.set("tea", 300)

    assert deadlines.earliest() == 300
    assert deadlines.take_due(299) == []
    assert deadlines.take_due(300) == ["tea"]
    assert not deadlines.armed("tea")


def test_a_cleared_deadline_does_not_come_and_an_unknown_one_may_be_cleared() -> None:
    deadlines = Deadlines()
    deadlines.set("tea", 100)
    deadlines.set("cake", 200)
    deadlines.clear("tea", "coffee")

    assert not deadlines.armed("tea")
    assert deadlines.armed("cake")
    assert repr(deadlines) == "Deadlines({'cake': 200})"


def test_the_earliest_is_known_whatever_became_of_the_others() -> None:
    deadlines = Deadlines()
    deadlines.set("tea", 100)
    deadlines.set("cake", 200)
    earliest = [deadlines.earliest()]
    deadlines.clear("tea")
    earliest.append(deadlines.earliest())
    deadlines.take_due(200)

    assert [*earliest, deadlines.earliest()] == [100, 200, None]


def test_once_all_are_cleared_nothing_is_waited_for_and_others_can_be_named() -> None:
    deadlines = Deadlines()
    deadlines.set("tea", 100)
    waited = [deadlines.earliest()]
    deadlines.clear_all()
    waited.append(deadlines.earliest())
    deadlines.set("cake", 200)

    assert [*waited, deadlines.earliest()] == [100, None, 200]
    assert not deadlines.armed("tea")


@given(st.dictionaries(st.text(max_size=2), st.integers(0, 50)), st.integers(0, 50))
def test_what_is_due_comes_once_and_earliest_first(at: dict[str, int], now_ms: int) -> None:
    deadlines = Deadlines()
    for name, at_ms in at.items():
        deadlines.set(name, at_ms)
    taken = deadlines.take_due(now_ms)

    assert sorted(taken) == sorted(name for name, at_ms in at.items() if at_ms <= now_ms)
    assert [at[name] for name in taken] == sorted(at[name] for name in taken)
    assert deadlines.take_due(now_ms) == []
    assert (deadlines.earliest() or now_ms + 1) > now_ms
