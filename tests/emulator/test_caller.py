"""A caller's part on a virtual clock: the agent is a script of sounds."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voice_agent.call.commands import AgentBegan, CallerBegan, Report, ToolAnswered, ToolStarted
from voice_agent.emulator.caller import DUE_MS, LISTEN_MS, LONGEST_ANSWER_S, PATIENCE_S, Move, Part, Played, Watch, play
from voice_agent.emulator.twilio.hearing import Hearing
from voice_agent.sim.track import Track

FRAME_MS = 20
VOICE = b"\x20\xa0" * 4
"""A millisecond of something loud."""
NOISE = b"\x7e\xfe" * 4000
SAY = Move(name="turn", sound=VOICE * 1000)


class FakePhone:
    """A call whose agent greets, and answers each thing that the caller says with the next sound of its script."""

    def __init__(self, greeting_ms: int = 0, answers: tuple[tuple[int, int], ...] = (), over_ms: int | None = None):
        """`answers`: how long after the caller each begins, and lasts; `over_ms`: when the agent hangs up."""
        self.now_ms = 0
        self.did: list[tuple[int, str]] = []
        self.spoke_into: list[bool] = []
        """Whether the agent was heard whenever the caller spoke."""
        self.watch = Watch()
        self.reports: list[tuple[int, Report]] = []
        self.over = False
        self.hearing: Hearing | None = None
        self._track = Track()
        self._hearing = Hearing(lambda _: None, lambda _: None)
        self._answers = list(answers)
        self.uncut = False
        """Nobody can interrupt the agent."""
        self.later: list[tuple[int, int]] = []
        """Further sounds: when, how long."""
        self.lost_ms = -1
        """When the stream ends and another begins, in which the agent greets for a second."""
        self._began_ms = 0
        self._said_ms = 0
        self._over_ms = over_ms
        self._track.put(8 * 500, VOICE * greeting_ms)

    def say(self, audio: bytes) -> None:
        if audio.startswith(NOISE):
            self.did.append((self.now_ms, f"hums {len(audio) // 8000} s"))
            return
        self.did.append((self.now_ms, f"says {len(audio) // 8} ms"))
        self.spoke_into.append(self._hearing.last_sound_ms == self._hearing.heard_until_ms)
        if not self.uncut:
            self._track.cut(8 * (self.now_ms + 300))
        self._said_ms = self.now_ms + len(audio) // 8
        if self._answers:
            after_ms, length_ms = self._answers.pop(0)
            self._track.put(8 * (self._said_ms + after_ms), VOICE * length_ms)

    def stop_speaking(self) -> None:
        self.did.append((self.now_ms, "breaks off"))

    def press(self, digit: str) -> None:
        self.did.append((self.now_ms, f"presses {digit}"))

    def hang_up(self) -> None:
        if not self.over:
            self.did.append((self.now_ms, "hangs up"))
        self.over = True

    async def wait_until(self, condition: Callable[[], bool], within_s: float | None = None) -> bool:
        until_ms = None if within_s is None else self.now_ms + within_s * 1000
        while not condition():
            if self.over or (until_ms is not None and self.now_ms >= until_ms):
                return False
            self._step()
        return True

    def _step(self) -> None:
        self.now_ms += FRAME_MS
        if self.now_ms == self.lost_ms:
            self._track, self._began_ms = Track(), self.now_ms
            self._track.put(8 * 500, VOICE * 1000)
            self.hearing = self._hearing = Hearing(lambda _: None, lambda _: None)
        self._hearing.listen(self._track, self.now_ms - self._began_ms)
        self.over = self.over or (self._over_ms is not None and self.now_ms >= self._over_ms)
        for at_ms, length_ms in self.later:
            if self.now_ms == at_ms:
                self._track.put(8 * at_ms, VOICE * length_ms)
        for at_ms, report in self.reports:
            if self.now_ms - FRAME_MS < at_ms <= self.now_ms:
                self.watch.take(report)

    async def streaming(self, within_s: float | None = None) -> bool:
        self.hearing = self._hearing
        return await self.wait_until(lambda: not self.over, within_s)

    async def ended(self) -> None:
        assert self.over


def run(phone: FakePhone, *moves: Move, greeted: bool = True, noise: bytes = b"") -> Played:
    playing: Coroutine[Any, Any, Played] = play(phone, Part(moves=moves, noise=noise), phone.watch, greeted=greeted)
    return asyncio.run(playing)


def times(phone: FakePhone, what: str) -> list[int]:
    return [at_ms for at_ms, done in phone.did if done.startswith(what)]


def test_a_caller_speaks_when_the_greeting_has_been_heard_and_again_when_the_answer_has() -> None:
    phone = FakePhone(greeting_ms=2000, answers=((600, 3000), (600, 1000)))
    played = run(phone, SAY, SAY)

    second_ms = 2500 + LISTEN_MS + 1000 + 600 + 3000 + LISTEN_MS
    assert times(phone, "says") == pytest.approx([2500 + LISTEN_MS, second_ms], abs=2 * FRAME_MS)
    assert times(phone, "hangs up") == pytest.approx([second_ms + 2600 + LISTEN_MS + 2000], abs=3 * FRAME_MS)
    assert played == Played(2)


def test_a_pause_within_an_answer_is_not_its_end() -> None:
    phone = FakePhone(greeting_ms=1000)
    phone._track.put(8 * (1500 + LISTEN_MS - 100), VOICE * 1000)
    run(phone, SAY)

    assert times(phone, "says") == pytest.approx([1500 + LISTEN_MS - 100 + 1000 + LISTEN_MS], abs=2 * FRAME_MS)


def test_a_caller_who_is_not_greeted_speaks_first() -> None:
    phone = FakePhone(answers=((600, 1000),))
    run(phone, SAY, greeted=False)

    assert times(phone, "says") == pytest.approx([500], abs=FRAME_MS)


@pytest.mark.parametrize("into_ms", [0, 700, 1500])
def test_an_interruption_comes_at_its_distance_into_the_answer(into_ms: int) -> None:
    phone = FakePhone(greeting_ms=1000, answers=((600, 4000), (600, 1000)))
    played = run(phone, SAY, Move(name="turn 2", sound=VOICE * 1000, into_ms=into_ms))
    first_ms, second_ms = times(phone, "says")

    assert second_ms - (first_ms + 1000 + 600) == pytest.approx(into_ms, abs=2 * FRAME_MS)
    assert played.remarks == ()


def test_an_answer_that_is_over_before_it_could_be_interrupted_is_told() -> None:
    phone = FakePhone(greeting_ms=1000, answers=((600, 500), (600, 500)))
    played = run(phone, SAY, Move(name="turn 2", sound=VOICE * 1000, into_ms=3000))

    assert len(times(phone, "says")) == 2
    assert played.remarks == ("turn 2: the answer was over before the 3000 ms at which it was to be cut",)


def test_what_followed_without_an_answer_follows_again() -> None:
    phone = FakePhone(greeting_ms=1000)
    run(phone, SAY, Move(name="turn 2", sound=VOICE * 500, after_ms=1200))
    first_ms, second_ms = times(phone, "says")

    assert second_ms - (first_ms + 1000) == pytest.approx(1200, abs=2 * FRAME_MS)


def test_an_answer_of_today_is_heard_out_before_what_followed_without_one() -> None:
    phone = FakePhone(greeting_ms=1000, answers=((600, 3000),))
    run(phone, SAY, Move(name="turn 2", sound=VOICE * 500, after_ms=1200))
    first_ms, second_ms = times(phone, "says")

    assert second_ms - (first_ms + 1000) == pytest.approx(600 + 3000 + LISTEN_MS, abs=2 * FRAME_MS)


def test_keys_are_pressed_one_after_another_and_silence_is_kept() -> None:
    phone = FakePhone(greeting_ms=1000)
    run(
        phone,
        Move(name="keys", keys="1#"),
        Move(name="silence", silent_ms=5000, after_ms=0),
        Move(name="end", leaves=True, after_ms=0),
    )
    one_ms, two_ms, left_ms = (at_ms for at_ms, _ in phone.did)

    assert [what for _, what in phone.did] == ["presses 1", "presses #", "hangs up"]
    assert two_ms - one_ms == pytest.approx(200, abs=FRAME_MS)
    assert left_ms - two_ms == pytest.approx(200 + 5000, abs=3 * FRAME_MS)


def test_the_line_is_heard_whenever_the_caller_is_silent() -> None:
    phone = FakePhone(greeting_ms=1000, answers=((600, 1000), (600, 1000)))
    run(phone, SAY, SAY, noise=NOISE)

    heard = ["hums 181 s", *["breaks off", "says 1000 ms", "hums 181 s"] * 2, "hangs up"]
    assert [what for _, what in phone.did] == heard


def test_a_tool_that_runs_is_waited_for_and_what_it_leads_to() -> None:
    phone = FakePhone(greeting_ms=1000, answers=((200, 500), (200, 500)))
    phone.reports = [
        (3000, CallerBegan()),
        (4200, AgentBegan("item_2", 200)),
        (4300, ToolStarted("call_1", "look_up", "{}")),
        (9000, ToolAnswered("call_1", "{}", failed=False, took_ms=4700)),
        (10_000, AgentBegan("item_3", -1)),
    ]
    phone.later = [(10_000, 1000)]
    run(phone, SAY, SAY)

    assert times(phone, "says")[1] == pytest.approx(11_000 + LISTEN_MS, abs=2 * FRAME_MS)


def test_who_is_asked_to_press_keys_presses_them_though_a_tool_waits_for_them() -> None:
    phone = FakePhone(greeting_ms=1000, answers=((200, 1000),))
    phone.reports = [
        (3000, CallerBegan()),
        (3200, AgentBegan("item_2", 200)),
        (3300, ToolStarted("call_1", "collect_digits", "{}")),
    ]
    run(phone, SAY, Move(name="turn 2", keys="1"))

    assert times(phone, "presses 1") == [
        pytest.approx(times(phone, "says")[0] + 1000 + 1200 + LISTEN_MS, abs=2 * FRAME_MS)
    ]


def test_a_sound_that_no_answer_follows_is_waited_for_no_longer_than_answers_take() -> None:
    phone = FakePhone(greeting_ms=1000, answers=((200, 500), (200, 500)))
    phone.reports = [(3000, CallerBegan()), (3600, AgentBegan("item_2", 200)), (3700, CallerBegan())]
    run(phone, SAY, SAY)
    first_ms, second_ms = times(phone, "says")

    assert second_ms == pytest.approx(first_ms + 1000 + 200 + 500 + DUE_MS, abs=2 * FRAME_MS)


def test_what_is_said_into_a_greeting_that_goes_on_is_answered_behind_it() -> None:
    phone = FakePhone(greeting_ms=5000)
    phone.uncut = True
    phone.reports = [(1500, CallerBegan()), (8000, AgentBegan("item_2", -1))]
    phone.later = [(8020, 1000)]
    run(phone, Move(name="turn 1", sound=VOICE * 1000, into_ms=500), SAY)

    assert times(phone, "says")[1] == pytest.approx(9020 + LISTEN_MS, abs=2 * FRAME_MS)


def test_a_stream_that_ends_while_the_caller_speaks_takes_the_rest_of_it_along() -> None:
    phone = FakePhone(1000)
    phone.lost_ms = 4000
    run(phone, Move(name="long", sound=VOICE * 5000), SAY)

    # The agent greets in the next stream until 5.5 s.
    assert times(phone, "says") == [2400, 6400]


def test_an_agent_that_says_nothing_breaks_the_part_off() -> None:
    phone = FakePhone(greeting_ms=1000)
    played = run(phone, SAY, SAY, SAY)

    assert played.moves == 1
    assert played.problem == f"turn: the agent said nothing for {PATIENCE_S:g} s"
    assert phone.did[-1][1] == "hangs up"


def test_an_agent_that_never_ends_breaks_the_part_off() -> None:
    phone = FakePhone(greeting_ms=1000, answers=((500, 400_000),))
    played = run(phone, SAY, SAY)

    assert played.problem == f"turn: the agent did not finish within {LONGEST_ANSWER_S:g} s"


def test_an_agent_that_ends_the_call_leaves_the_rest_unsaid_and_that_is_no_problem() -> None:
    phone = FakePhone(greeting_ms=1000, answers=((500, 1000),), over_ms=4000)

    assert run(phone, SAY, SAY) == Played(1)


def test_a_call_that_nobody_answers_is_told() -> None:
    phone = FakePhone(over_ms=0)
    phone.over = True

    assert run(phone, SAY) == Played(0, "the call was not answered")


TURNS = st.builds(
    Move,
    name=st.just("turn"),
    sound=st.sampled_from([VOICE * 40, VOICE * 700]),
    into_ms=st.none() | st.integers(0, 3000),
    after_ms=st.none() | st.integers(0, 3000),
)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(TURNS, min_size=1, max_size=4),
    st.integers(0, 3000),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(20, 4000)), max_size=5),
    st.none() | st.integers(0, 60_000),
)
def test_whatever_an_agent_does_the_part_ends_and_the_polite_interrupt_nobody(
    turns: list[Move], greeting_ms: int, answers: list[tuple[int, int]], over_ms: int | None
) -> None:
    phone = FakePhone(greeting_ms, tuple(answers), over_ms)
    played = run(phone, *turns)

    assert phone.over
    assert played.moves == len(turns) or played.problem or over_ms is not None
    assert len(phone.spoke_into) == played.moves
    for move, spoke_into in zip(turns, phone.spoke_into, strict=False):
        assert not spoke_into or move.into_ms is not None
