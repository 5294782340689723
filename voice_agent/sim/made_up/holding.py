"""Holds a made-up call in the simulated world, to its end on both sides, and judges the whole of it."""

from collections.abc import Mapping

import msgspec

from voice_agent.call.events import MachineVerdict
from voice_agent.call.states import Phase
from voice_agent.sim.dead_air import LONGEST_MS
from voice_agent.sim.invariants import RESAMPLER_MS, Bounds, Break, Truncation
from voice_agent.sim.made_up.call import LATEST_MS, MadeUpCall
from voice_agent.sim.made_up.people import MadeUpCaller, Moments, made_up_mind
from voice_agent.sim.network import Chance
from voice_agent.sim.world import World
from voice_agent.wire.bridge import Bridge

LAST_MS = 60_000
"""After the caller has gone: longer than anything in a call may take by itself."""

MOST_STEPS = 500_000
"""The longest call takes a tenth of them."""

NO_STREAM_MS = 10_500
"""A stream that does not come is waited for 10 s."""

DEAD_LINE_MS = 16_000
"""A stream on which nothing comes is asked after 15 s whether it lives."""

LOST_MARKS_MS = 3400
"""Where echoes are lost, audio counts as being played for so much longer: 3 s, the grace, and the way."""

REACHED_MS = 20
"""An item that is so close to its end counts as heard to it."""

GAP_MS = 20
"""Frames that stop just before a cut hide so much of it. Where none follows, only our clock tells how long they were
missing, and jitter may have pressed that below the gap that shows (see `call.carrier_clock`)."""

GUESSED_MS = 100
"""A mark that is so close by our clock counts as played, see `call.playout`."""

AT_ONCE_MS = 50
"""What follows at once, follows within this."""


class Held(msgspec.Struct, frozen=True):
    """What came of a call."""

    duration_ms: int
    outcome: str
    """Of `CallEnded`; `none` where it never came."""
    breaks: tuple[Break, ...]
    cuts: tuple[tuple[Truncation, int], ...]
    """Each with what was told minus what was truly played, in ms."""


def hold(call: MadeUpCall, chance: Chance, clips: Mapping[str, bytes], *, direct: bool = False) -> tuple[Held, World]:
    """Hold a call. The same call with the same chance (seeded by `call.seed`) is the same to the letter.

    `direct`: see `sim.world`; only what went through the wires is a record that can be fed once more.
    """
    moments = Moments(lambda: world.invariants.tools_running, lambda: world.bridge.call.phase is Phase.GOODBYE)
    world = World(
        call.setup,
        caller=MadeUpCaller(call.acts, call.leaving, moments),
        mind=made_up_mind(call.answers),
        chance=chance,
        network=call.network,
        timing=call.timing,
        switches=call.switches,
        tools=call.tools,
        clips=clips,
        pace=call.pace,
        delta_ms=call.delta_ms,
        faults=call.faults,
        mishaps=call.mishaps,
        bounds=_bounds(call),
        direct=direct,
        mcp=call.mcp,
        mcp_continues=call.mcp_continues,
        verdicts=[(verdict.at_ms, MachineVerdict(verdict.answered_by)) for verdict in call.verdicts],
    )
    try:
        world.run(LATEST_MS + LAST_MS, MOST_STEPS)
    except Exception as error:  # noqa: BLE001 - what is looked for: a fault of today's core, or of the world's
        world.invariants.blame("crash", world.now_ms, f"{type(error).__name__}: {error}")
    else:
        _judge_end(call, world)
        if not direct:
            _judge_log(call, world, clips)
    ended = world.ended
    held = Held(
        world.now_ms if ended is None else ended.duration_ms,
        "none" if ended is None else ended.outcome,
        tuple(world.invariants.broken),
        tuple(world.invariants.errors()),
    )
    return held, world


def _bounds(call: MadeUpCall) -> Bounds:
    """Derive them from what the carrier and the network do in this call."""
    lost = call.mishaps.lost_marks_percent > 0
    frame_ms, jitter_ms = call.switches.frame_ms, call.network.phone_jitter_ms
    # An echo is known to a frame, and may wait for the next one; where our clock helps, both ways' jitter is in it.
    by_mark = 2 * max(frame_ms, 20) + RESAMPLER_MS
    if call.mishaps.gaps or call.switches.silent_gaps:
        by_mark += GAP_MS
    stalled_ms = sum(stall.length_ms for stall in call.network.stalls)
    # Where the line stands still within an answer, nobody hears of when the piece began that was held up.
    by_mark += min(call.delta_ms, sum(stall.length_ms for stall in call.network.stalls if stall.leg != "model"))
    by_clock = by_mark + 2 * jitter_ms + stalled_ms
    by_basis = {"mark": by_mark, "unplayed": by_mark, "estimate": by_clock, "clock": by_clock + GUESSED_MS}
    if call.mishaps.dead_at_ms is None:
        by_basis["whole"] = by_mark + REACHED_MS
        # Without marks or frames nobody knows what was in the air when the caller went, nor what is played afterwards.
        if not (lost or call.switches.silent_gaps or call.switches.play_buffer_after_close):
            # Of what began just before, no echo has come: a hang-up is then known as late as it can be told.
            by_basis["end"] = by_clock + call.network.phone_up_ms + call.network.phone_down_ms
    return Bounds(
        by_basis=by_basis,
        silence_ms=LONGEST_MS + (LOST_MARKS_MS if lost else 0) + stalled_ms,
        echo_ms=call.network.phone_up_ms + call.network.phone_down_ms + 2 * jitter_ms + frame_ms + stalled_ms,
    )


def _judge_end(call: MadeUpCall, world: World) -> None:
    invariants, ended = world.invariants, world.ended
    invariants.finish()
    if ended is None:
        return
    late_ms = ended.duration_ms - _latest_end_ms(call, world)
    if late_ms > 0:
        invariants.blame("outlives", ended.duration_ms, f"the call ended {late_ms} ms later than its caller's leaving")
    if world.session is not None:
        invariants.blame("open", world.now_ms, "the model's session is open after the end")
    dead = call.mishaps.dead_at_ms is not None
    if world.carrier.deadline() is not None and not dead:
        invariants.blame("open", world.now_ms, "the stream is open after the end")


def _latest_end_ms(call: MadeUpCall, world: World) -> int:
    """When the call must have ended because nobody is there any more."""
    mishaps, network = call.mishaps, call.network
    way_ms = network.phone_up_ms + network.phone_jitter_ms + AT_ONCE_MS
    way_ms += sum(stall.length_ms for stall in network.stalls)
    limits = [world.now_ms]
    if mishaps.no_stream:
        limits.append(NO_STREAM_MS)
    if mishaps.dead_at_ms is not None:
        arrives_ms = call.timing.stream_ms + network.phone_up_ms
        limits.append(NO_STREAM_MS if mishaps.dead_at_ms <= arrives_ms else mishaps.dead_at_ms + way_ms + DEAD_LINE_MS)
    elif world.left_ms is not None:
        limits.append(world.left_ms + way_ms)
    return min(limits)


def _judge_log(call: MadeUpCall, world: World, clips: Mapping[str, bytes]) -> None:
    """Feed everything once more: the same must come out."""
    bridge = Bridge(call.setup, clips)
    if bridge.start() != world.began:
        world.invariants.blame("log", 0, "the call does not begin again as it began")
    for now_ms, received, outputs in world.log:
        if bridge.feed(now_ms, received) != outputs:
            world.invariants.blame("log", now_ms, f"{type(received).__name__} does not give the same again")
            return
