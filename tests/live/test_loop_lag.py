import asyncio

from voice_agent.live.loop_lag import SAMPLES, LoopLag


def test_before_anything_was_measured_nothing_is_late() -> None:
    assert LoopLag().ms == 0


def test_what_is_late_because_the_server_starts_is_no_overload() -> None:
    lag = LoopLag()
    for _ in range(SAMPLES - 1):
        lag.note(0.5)

    assert lag.ms == 0


def test_one_slow_step_is_no_overload_and_many_are() -> None:
    lag = LoopLag()
    for _ in range(SAMPLES):
        lag.note(0.002)
    for _ in range(SAMPLES // 4 - 1):
        lag.note(0.5)
    calm = lag.ms
    for _ in range(2):
        lag.note(0.5)

    assert (calm, lag.ms) == (2, 500)


def test_what_is_long_ago_does_not_count() -> None:
    lag = LoopLag()
    for late_s in [0.5] * SAMPLES + [0.0] * SAMPLES:
        lag.note(late_s)

    assert lag.ms == 0


def test_a_loop_that_is_held_up_is_late() -> None:
    class Measured(LoopLag):
        def note(self, late_s: float) -> None:
            noted.append(late_s)
            measured.set()

    noted: list[float] = []
    measured = asyncio.Event()

    async def main() -> float:
        lag = Measured()
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            running = tasks.create_task(lag.run())
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.09, lambda: sum(range(5_000_000)))
            await measured.wait()
            running.cancel()
        return noted[0]

    assert asyncio.run(main()) > 0.005
