"""The virtual clock's agenda and the ways of messages: order, moments, delays."""

import random
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from voice_agent.sim.network import Agenda, Way


class Line:
    """A way, and what has arrived by it: the time and the message."""

    def __init__(self, delay_ms: int = 50, jitter_ms: int = 0) -> None:
        self.now_ms = 0
        self.came: list[tuple[int, str]] = []
        self.agenda = Agenda()
        self.way: Way[str] = Way(self.agenda, random.Random(1), delay_ms, jitter_ms, self._take)

    def _take(self, message: str) -> None:
        self.came.append((self.now_ms, message))

    def send(self, now_ms: int, *messages: str) -> None:
        self.wait(now_ms)
        for message in messages:
            self.way.send(now_ms, message)

    def wait(self, until_ms: int) -> None:
        while self.agenda.entries and self.agenda.entries[0][0] <= until_ms:
            self.now_ms = self.agenda.entries[0][0]
            self.agenda.step()
        self.now_ms = until_ms


def test_what_is_due_at_one_moment_happens_in_the_order_of_asking() -> None:
    agenda, done = Agenda(), list[str]()
    for at_ms, name in ((20, "late"), (10, "first"), (10, "second")):
        agenda.at(at_ms, partial(done.append, name))
    dues = []
    while agenda.entries:
        dues.append(agenda.entries[0][0])
        agenda.step()

    assert done == ["first", "second", "late"]
    assert dues == [10, 10, 20]


def test_what_is_sent_at_one_moment_arrives_together_after_the_delay() -> None:
    line = Line()
    line.send(10, "a", "b")
    line.send(11, "c")
    line.wait(100)

    assert line.came == [(60, "a"), (60, "b"), (61, "c")]


def test_what_is_sent_while_a_connection_stands_still_arrives_at_once_behind_it_in_order() -> None:
    line = Line()
    line.send(10, "before")
    line.way.stall(500)
    line.send(100, "a")
    line.send(300, "b")
    line.send(500, "behind")
    line.wait(1000)

    assert line.came == [(60, "before"), (500, "a"), (500, "b"), (550, "behind")]


def test_without_a_delay_a_further_message_of_the_moment_still_arrives() -> None:
    line = Line(delay_ms=0)
    line.send(10, "a")
    line.wait(10)
    line.send(10, "b")
    line.wait(10)

    assert line.came == [(10, "a"), (10, "b")]


def test_an_arrival_that_was_asked_for_is_that_of_the_moments_messages() -> None:
    line = Line(jitter_ms=30)
    line.send(10, "a")
    arrival_ms = line.way.arrival(15)
    line.send(15, "b")
    line.wait(200)

    assert line.came[1] == (arrival_ms, "b")


def test_a_cut_way_loses_what_is_on_it_and_leaves_alone_what_comes_to_the_same_taker_by_another() -> None:
    agenda, came = Agenda(), list[str]()
    ways = [Way(agenda, random.Random(1), 50, 0, came.append) for _ in range(2)]
    for number, way in enumerate(ways):
        way.send(10, f"by {number}")
    ways[0].cut()
    while agenda.entries:
        agenda.step()

    assert came == ["by 1"]


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(0, 80), st.integers(0, 60))
def test_nothing_is_lost_overtakes_or_takes_longer_than_delay_and_jitter(
    pauses_ms: list[int], delay_ms: int, jitter_ms: int
) -> None:
    line, sent = Line(delay_ms, jitter_ms), list[tuple[int, str]]()
    now_ms = 0
    for number, pause_ms in enumerate(pauses_ms):
        now_ms += pause_ms
        sent.append((now_ms, str(number)))
        line.send(now_ms, str(number))
    line.wait(now_ms + 1000)

    assert [message for _, message in line.came] == [message for _, message in sent]
    assert all(
        delay_ms <= came_ms - sent_ms <= delay_ms + jitter_ms
        for (came_ms, _), (sent_ms, _) in zip(line.came, sent, strict=True)
    )
