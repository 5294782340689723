from voice_agent.emulator.load.account import Level, Spread, Window, account
from voice_agent.emulator.load.callers import CallRecord, Cut
from voice_agent.emulator.load.coded_audio import FRAME_MS, Follower, mulaw_frames, pcm_frames
from voice_agent.emulator.load.scripted_model import DELTA_FRAMES, Delta, Session, Truncation

FRAME_NS = FRAME_MS * 1_000_000
CALL = 33
WHOLE = Window(0, 10**12)


class Line:
    """One call of 3 s: the bridge takes 4 ms up, 6 ms down, and answers begin at 1 s."""

    def __init__(self) -> None:
        self.session = Session.__new__(Session)
        self.session.heard = Follower(pcm=True)
        self.session.sent, self.session.broken_off, self.session.truncations = [], set(), []
        self.heard = Follower(pcm=False)
        self.sent_ns = [number * FRAME_NS for number in range(150)]
        self.cuts: list[Cut] = []

    def up(self, *lost: int) -> "Line":
        for number, at in enumerate(self.sent_ns):
            if number not in lost:
                self.session.heard.hear(pcm_frames(number % 64, 1, CALL), at + 4_000_000)
        return self

    def down(self, *lost: int, response: int = 1, deltas: int = 10) -> "Line":
        first = self.session.sent[-1].first + DELTA_FRAMES if self.session.sent else 0
        for number in range(first, first + DELTA_FRAMES * deltas, DELTA_FRAMES):
            at = 1_000_000_000 + number * FRAME_NS // 2
            self.session.sent.append(Delta(number, at, response, number == first))
            if number not in lost:
                self.heard.hear(mulaw_frames(number % 64, DELTA_FRAMES, 0), at + 6_000_000)
        return self

    def account(self, window: Window = WHOLE, broken: str = "", ended_ns: int = 10**11) -> Level:
        record = CallRecord(CALL, self.sent_ns, self.heard, self.cuts, ended_ns, broken)
        return account([record], {CALL: self.session}, window, [1.0, 2.0])


def test_a_bridge_that_loses_nothing_and_is_quick_carries_its_calls() -> None:
    level = Line().up().down().account()

    assert level.up == Spread(150, 4.0, 4.0, 4.0, 4.0)
    assert level.down == Spread(1, 6.0, 6.0, 6.0, 6.0)
    assert (level.frames, level.lost, level.repeated, level.carried, level.own_limit) == (225, 0, 0, True, False)


def test_frames_that_never_come_are_lost_wherever_they_were() -> None:
    assert Line().up(40, 41).down().account().lost == 2
    assert Line().up(*range(100, 150)).down().account().lost == 25
    assert Line().up().down(50).account().lost == 10
    assert not Line().up(40).down().account().carried


def test_a_call_whose_audio_never_reached_the_model_is_lost_whole() -> None:
    line = Line()
    level = account([CallRecord(CALL, line.sent_ns, line.heard, [], 10**11, "refused")], {}, WHOLE, [])

    assert (level.frames, level.lost, level.broken, level.carried) == (150, 150, ("refused",), False)


def test_what_is_on_its_way_at_the_end_is_not_lost() -> None:
    line = Line().up(*range(140, 150)).down(90)

    # The last delta left 1.9 s after the beginning.
    assert line.account(ended_ns=3_000_000_000).lost == 10
    assert line.account(ended_ns=2_300_000_000).lost == 0


def test_what_is_left_of_a_broken_off_answer_need_not_arrive() -> None:
    line = Line().up().down(30, 40, response=1, deltas=5)
    line.session.broken_off.add(1)

    assert line.account().lost == 0


def test_only_what_left_within_the_window_is_late() -> None:
    level = Line().up().down().account(Window(0, 20 * FRAME_NS))

    assert level.up is not None
    # The last of them arrives behind it.
    assert (level.up.count, level.heard_s, level.down, level.seconds) == (20, 0.4, None, 0.4)
    assert not level.carried


def test_a_truncation_is_held_against_what_the_caller_had_played_at_the_clear() -> None:
    line = Line().up().down(response=1).down(response=2)
    line.cuts += [Cut(1_500_000_000, 20.0), Cut(3_000_000_000, 125.5)]
    line.session.truncations += [Truncation(1, 410, 1_600_000_000), Truncation(2, 500, 3_100_000_000)]

    # 20 frames of the first answer are 400 ms; the second begins at frame 100.
    assert line.account().truncation == Spread(2, 10.0, 10.0, -10.0, 10.0)


def test_a_truncation_may_come_before_the_clear_that_it_belongs_to() -> None:
    line = Line().up().down(response=1).down(response=2)
    line.cuts += [Cut(1_500_000_000, 20.0), Cut(3_000_000_000, 125.0)]
    line.session.truncations += [Truncation(1, 400, 1_499_000_000), Truncation(2, 500, 2_999_000_000)]

    assert line.account().truncation == Spread(2, 0.0, 0.0, 0.0, 0.0)


def test_callers_and_model_that_were_late_themselves_were_the_limit() -> None:
    record = CallRecord(CALL, [], Follower(pcm=False), [], 0, "")

    assert account([record], {}, WHOLE, [0.0] * 90 + [30.0] * 10).own_limit
