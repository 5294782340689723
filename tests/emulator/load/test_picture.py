from xml.etree import ElementTree as ET

from voice_agent.emulator.load.account import Level, Spread
from voice_agent.emulator.load.picture import draw


def level(calls: int, p99: float, cpu_ms: float | None) -> Level:
    late = Spread(1, 1.0, p99, 1.0, p99)
    return Level(calls, 1.0, late, late, 1, 0, 0, (), None, 0.0, cpu_ms=cpu_ms)


def test_every_bridge_has_a_curve_in_both_panels_and_a_name() -> None:
    drawn = draw({"ours": [level(10, 5, 4.0), level(20, 70, 3.0)], "a <plain> one": [level(10, 6, 5.0)]})

    ET.fromstring(drawn)
    assert drawn.count("<circle") == 6
    assert "a &lt;plain&gt; one" in drawn
    assert "stroke-dasharray" in drawn
    assert ">60+</text>" in drawn  # 70 ms stand at the upper edge


def test_what_could_not_be_measured_is_not_drawn() -> None:
    drawn = draw({"ours": [level(10, 5, None)], "none": []})

    ET.fromstring(drawn)
    assert drawn.count("<circle") == 1
