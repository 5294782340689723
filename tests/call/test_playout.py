"""One stretch of playout at the carrier."""

from hypothesis import given
from hypothesis import strategies as st

from voice_agent.call.carrier_clock import FRAME_MS, CarrierClock, Stamp
from voice_agent.call.playout import Playout, Segment


def at(carrier_ms: int, *, by_clock: bool = False) -> Stamp:
    """An echo whose place on the carrier's clock is known."""
    stamp = Stamp(carrier_ms, carrier_ms)
    stamp.settled, stamp.by_clock = True, by_clock
    return stamp


def playing(*lengths_ms: int, began_ms: int = 1000) -> Playout:
    """Deltas of one item, sent at once, each with its mark `m1`, `m2` …; playout began at `began_ms` of the carrier."""
    playout = Playout()
    playout.add_mark("start")
    for number, length_ms in enumerate(lengths_ms, 1):
        playout.add(0, "a", length_ms * 8)
        playout.add_mark(f"m{number}")
    playout.echo("start", at(began_ms))
    return playout


def measured(
    playout: Playout, cut: Stamp, *, cleared_at_ms: int = 0, echoes_at_edges: bool = False, frame_ms: int = FRAME_MS
) -> tuple[int, bool] | None:
    return playout.heard_at(cut, cleared_at_ms=cleared_at_ms, echoes_at_edges=echoes_at_edges, frame_ms=frame_ms)


def heard_ms(playout: Playout, cut: Stamp, *, echoes_at_edges: bool = False) -> int:
    found = measured(playout, cut, echoes_at_edges=echoes_at_edges)
    assert found is not None
    return found[0] // 8


def test_deltas_of_one_item_are_one_segment() -> None:
    playout = Playout()
    for item_id, length in [("a", 800), ("a", 800), (None, 400), ("b", 800)]:
        playout.add(0, item_id, length)

    assert playout.segments == [Segment("a", 0, 1600), Segment(None, 1600, 2000), Segment("b", 2000, 2800)]
    assert playout.queued == 2800


def test_the_cut_is_where_the_carriers_clock_says() -> None:
    assert measured(playing(200, 200), at(1250)) == (2000, False)


def test_a_mark_just_out_of_reach_by_echoes_that_wait_for_frames_is_no_proof_of_the_cut() -> None:
    # Seen: frames end while the caller is silent, and the stretch's beginning is known 8 ms late.
    playout = playing(*[200] * 4)
    playout.echo("m1", at(1208))
    playout.echo_after_clear("m2", at(1387))

    assert heard_ms(playout, at(1500)) == 492


def test_a_dry_moment_that_shows_after_the_clear_counts_too() -> None:
    playout = playing(200)
    playout.echo("m1", at(1200))
    playout.add_mark("start again")
    playout.add(400, "b", 200 * 8)
    playout.add_mark("m2")
    playout.echo_after_clear("start again", at(1500))
    playout.echo_after_clear("m2", at(1560))

    assert heard_ms(playout, at(1560)) == 200 + 60


def gone_dry(*, lost_start: str) -> Playout:
    """A delta of 200 ms is played, and 60 ms after that comes another one.

    `lost_start`: its start mark "never" comes back, or "by then" has been passed by the next mark, or is not lost ("").
    """
    playout = playing(200)
    playout.echo("m1", at(1200))
    playout.add_mark("start again", starts=True)
    playout.add(260, "b", 200 * 8)
    playout.add_mark("m2")
    if not lost_start:
        playout.echo("start again", at(1260))
    if lost_start == "by then":
        playout.echo_after_clear("m2", at(1280))  # flushed
    return playout


def test_where_a_start_mark_was_lost_no_sound_was_heard_before_it_can_have_come() -> None:
    # Found by made-up calls (seed 150001325).
    for lost in ("never", "by then"):
        assert measured(gone_dry(lost_start=lost), at(1280), cleared_at_ms=280) == (220 * 8, True)
    assert measured(gone_dry(lost_start=""), at(1280), cleared_at_ms=0) == (220 * 8, False)
    assert measured(gone_dry(lost_start="never"), at(1200), cleared_at_ms=0) == (200 * 8, True)


def test_a_mark_behind_a_lost_start_mark_that_comes_after_the_clear_may_have_been_flushed() -> None:
    # Found by made-up calls (seed 200054633): the echo of m1 is lost, too, and that of the cut waits for a frame.
    playout = playing(200)
    playout.add_mark("start again", starts=True)
    playout.add(1000, "b", 200 * 8)
    playout.add_mark("m2")
    playout.echo_after_clear("m2", at(2040))

    assert measured(playout, at(2060), cleared_at_ms=1010) == (210 * 8, True)


def test_a_lost_start_mark_that_a_later_echo_makes_up_for_changes_nothing() -> None:
    passed, not_reached = gone_dry(lost_start="never"), playing(200)
    passed.echo("m2", at(1460))
    passed.add(400, "b", 200 * 8)
    not_reached.add_mark("start again", starts=True)
    not_reached.add(190, "b", 200 * 8)

    assert measured(passed, at(1480), cleared_at_ms=0) == (420 * 8, False)
    assert measured(not_reached, at(1199), cleared_at_ms=0) == (199 * 8, False)


def test_a_dry_moment_after_deltas_of_odd_lengths_is_told_in_whole_milliseconds() -> None:
    playout = playing(200)
    playout.echo("m1", at(1200))
    playout.add(400, "b", 1601)
    playout.add_mark("m2")
    playout.add(400, "b", 1600)
    playout.echo_after_clear("m2", at(1450))  # 50 ms late

    assert measured(playout, at(1460)) == (410 * 8, False)


def test_a_dry_moment_that_our_clock_alone_tells_of_counts_when_it_is_more_than_jitter() -> None:
    playout = playing(200)
    playout.echo("m1", at(1200, by_clock=True))
    playout.add_mark("start again")
    for mark in ("m2", "m3"):
        playout.add(4000, "b", 400 * 8)
        playout.add_mark(mark)
    for mark in ("start again", "m2", "m3"):
        playout.echo_after_clear(mark, at(5030, by_clock=True))

    assert heard_ms(playout, at(5030, by_clock=True)) == 200


def test_what_our_clock_alone_tells_of_a_dry_moment_is_jitter_up_to_100_ms() -> None:
    jitter, dry = playing(400, 400), playing(400, 400)
    jitter.echo_after_clear("m1", at(1500, by_clock=True))
    dry.echo_after_clear("m1", at(1501, by_clock=True))

    assert heard_ms(jitter, at(1600)) == 600
    assert heard_ms(dry, at(1600)) == 499


def test_longer_frames_tell_less_exactly_whether_a_mark_was_reached() -> None:
    # The echo at 1598 ms stands behind the frame that ended at 1560: 43 ms short, though it was played.
    playout = playing(*[200] * 5)
    playout.echo("m1", at(1200))
    playout.echo("m2", at(1400))
    playout.echo_after_clear("m3", at(1565))
    playout.echo_after_clear("m4", at(1640))

    assert measured(playout, at(1640), frame_ms=40) == (640 * 8, False)


def test_nothing_is_heard_beyond_what_was_queued_or_short_of_what_was_confirmed() -> None:
    playout = playing(200, 200)
    playout.echo("m1", at(1200))

    assert heard_ms(playout, at(9000)) == 400
    assert heard_ms(playout, at(1100)) == 200


def test_without_any_echo_nothing_is_known() -> None:
    playout = Playout()
    playout.add(0, "a", 800)

    assert measured(playout, at(1000)) is None


def test_a_stretch_that_ran_dry_began_later() -> None:
    playout = playing(200, 200)
    playout.echo("m1", at(1500))  # 300 ms late: the carrier waited for audio

    assert heard_ms(playout, at(1600)) == 300


def test_a_mark_that_was_out_of_reach_was_flushed_when_the_clear_arrived() -> None:
    playout = playing(200, 200)
    playout.echo_after_clear("m2", at(1150))

    assert heard_ms(playout, at(1190)) == 150


def test_a_mark_that_came_back_before_the_cut_was_played() -> None:
    playout = playing(200, 200)
    playout.echo_after_clear("m1", at(1200))

    assert heard_ms(playout, at(1190)) == 190
    assert heard_ms(playout, at(1260)) == 260
    assert playout.confirmed == 1600


def test_a_mark_within_two_frames_of_the_clock_was_played_and_one_beyond_them_was_not() -> None:
    reached, beyond = playing(200, 200), playing(200, 200)
    reached.echo_after_clear("m2", at(1360))
    beyond.echo_after_clear("m2", at(1359))

    assert heard_ms(reached, at(1390)) == 400
    assert heard_ms(beyond, at(1390)) == 359


def test_where_our_clock_stands_in_for_an_echo_a_mark_within_100_ms_was_played() -> None:
    reached, beyond = playing(200, 200), playing(200, 200)
    reached.echo_after_clear("m2", at(1300, by_clock=True))
    beyond.echo_after_clear("m2", at(1299, by_clock=True))

    assert heard_ms(reached, at(1310)) == 400
    assert heard_ms(beyond, at(1310)) == 299


def test_where_our_clock_stands_in_for_the_beginning_a_mark_within_100_ms_was_played() -> None:
    reached, beyond = Playout(), Playout()
    for playout, at_ms in ((reached, 1300), (beyond, 1299)):
        playout.add_mark("start")
        playout.add(0, "a", 3200)
        playout.add_mark("end")
        playout.echo("start", at(1000, by_clock=True))
        playout.echo_after_clear("end", at(at_ms))

    assert heard_ms(reached, at(1310)) == 400
    assert heard_ms(beyond, at(1310)) == 299


def test_guesses_are_whole_milliseconds_whatever_the_lengths_of_the_deltas() -> None:
    playout = Playout()
    playout.add(0, "a", 1601)
    playout.add_mark("m1")
    playout.add(0, "a", 3200)
    playout.echo("m1", at(1290, by_clock=True))

    assert measured(playout, at(1390)) == (2400, True)


def test_of_a_carrier_that_echoes_with_its_frames_a_flushed_mark_is_a_frame_early() -> None:
    playout = playing(200, 200)
    playout.echo_after_clear("m2", at(1150))

    assert heard_ms(playout, at(1150), echoes_at_edges=True) == 170
    assert heard_ms(playing(200), at(1150), echoes_at_edges=True) == 150


def test_where_our_clock_stands_in_the_middle_of_the_guesses_counts_and_is_told() -> None:
    playout = Playout()
    playout.add_mark("start")
    for number in (1, 2):
        playout.add(0, "a", 1600)
        playout.add_mark(f"m{number}")
    playout.echo("start", at(1000, by_clock=True))
    playout.echo("m1", at(1290, by_clock=True))  # 90 ms of jitter

    assert measured(playout, at(1390)) == (2400, True)


def test_an_exact_echo_is_worth_more_than_guesses() -> None:
    playout = Playout()
    playout.add_mark("start")
    playout.add(0, "a", 3200)
    playout.echo("start", at(1000))
    playout.add_mark("more")
    playout.echo("more", at(1900, by_clock=True))
    playout.add(0, "a", 3200)

    assert measured(playout, at(1500)) == (4000, False)


def test_the_estimate_takes_the_way_there_as_the_same_for_audio_and_clear() -> None:
    playout = Playout()
    playout.add(100, "a", 8000)

    assert playout.estimate(600) == 4000
    assert playout.estimate(5000) == 8000


def test_the_estimate_of_a_stretch_that_ran_dry_counts_from_its_later_half() -> None:
    playout = Playout()
    playout.add(100, "a", 800)
    playout.add(1000, "a", 8000)

    assert playout.estimate(1500) == 800 + 4000


def test_of_nothing_nothing_was_heard() -> None:
    assert Playout().estimate(1000) == 0


def test_a_start_mark_is_due_when_the_queue_may_be_empty() -> None:
    playout = Playout()
    fresh = playout.nearly_dry(0)
    playout.add(0, "a", 8000)

    assert fresh
    assert not playout.nearly_dry(700)
    assert playout.nearly_dry(701)


def test_a_later_mark_proves_the_earlier_ones() -> None:
    playout = playing(200, 200, 200)
    playout.echo("m2", at(1400))

    assert not playout.expects("m1")
    assert playout.expects("m3")
    assert playing(200, 200).expects("m2")
    assert playout.confirmed == 3200
    assert not playout.all_played()


def test_lost_marks_count_as_played() -> None:
    playout = playing(200, 200)
    playout.finish()

    assert playout.all_played()
    assert playout.confirmed == playout.queued
    assert repr(playout) == "<Playout 400 of 400 ms confirmed, 0 marks out>"


@given(st.lists(st.integers(20, 400), min_size=1, max_size=8), st.integers(0, 4000), st.integers(0, 19), st.booleans())
def test_an_undisturbed_stretch_is_measured_to_a_frame(
    lengths_ms: list[int], played_ms: int, phase_ms: int, flushes: bool
) -> None:
    """The carrier plays from 1000 ms on; its frames begin at any phase; marks come back between them."""
    clock = CarrierClock()
    playout = Playout()
    playout.add_mark("start")
    ends, end_ms = {"start": 0}, 0
    for number, length_ms in enumerate(lengths_ms):
        playout.add(0, "a", length_ms * 8)
        playout.add_mark(f"m{number}")
        end_ms += length_ms
        ends[f"m{number}"] = end_ms
    cut = None
    for timestamp_ms in range(1000 - phase_ms - 40, 1000 + played_ms + 60, 20):
        for name, position_ms in list(ends.items()):
            if timestamp_ms <= 1000 + position_ms < timestamp_ms + 20 and position_ms <= played_ms:
                playout.echo(name, clock.stamp(0))
                del ends[name]
        if timestamp_ms <= 1000 + played_ms < timestamp_ms + 20:
            for name in ends if flushes else ():
                playout.echo_after_clear(name, clock.stamp(0))
            cut = clock.stamp(0)
        clock.frame(0, timestamp_ms, 20)

    assert cut is not None
    assert abs(heard_ms(playout, cut) - min(played_ms, end_ms)) <= 20


# --- what has begun --------------------------------------------------------------------------------------------------


def begun(playout: Playout, *marks: str) -> list[list[str]]:
    """Let marks come back; give the items that have begun at each of them."""
    told = []
    for mark in marks:
        playout.echo(mark, at(1000))
        told.append([*playout.take_begun()])
    return told


def queued(*pieces: tuple[str | None, str]) -> Playout:
    """Pieces of 100 ms, an item's or ours, each with its mark; before each `+` stands a mark, too."""
    playout = Playout()
    for item_id, mark in pieces:
        if mark.startswith("+"):
            playout.add_mark(f"start{mark}")
        playout.add(0, item_id, 800)
        playout.add_mark(mark)
    return playout


def test_an_item_begins_in_silence_with_the_start_mark() -> None:
    assert begun(queued(("a", "+1"), ("a", "2")), "start+1", "+1", "2") == [["a"], [], []]


def test_an_item_behind_speech_of_ours_begins_where_that_ends() -> None:
    assert begun(queued((None, "+1"), ("a", "2"), ("a", "3")), "start+1", "+1", "2") == [[], ["a"], []]
    assert begun(queued(("a", "+1"), (None, "2"), ("a", "3")), "start+1", "+1", "2") == [["a"], [], ["a"]]


def test_an_item_behind_speech_of_ours_that_was_nearly_over_begins_with_its_own_start_mark() -> None:
    assert begun(queued((None, "+1"), ("a", "+2")), "start+1", "+1", "start+2") == [[], [], ["a"]]


def test_an_item_right_behind_another_does_not_begin_in_silence() -> None:
    assert begun(queued(("a", "+1"), ("b", "2")), "start+1", "+1", "2") == [["a"], [], []]


def test_an_item_whose_first_marks_are_lost_has_begun_by_the_next_one() -> None:
    assert begun(queued((None, "+1"), ("a", "2"), ("a", "3")), "2") == [["a"]]
    assert begun(queued((None, "+1"), ("a", "2"))) == []
