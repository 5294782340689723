import pytest

from voice_agent.emulator.speech.speaking import spell_out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Call 425-555-0100.", "Call four two five, five five five, zero one zero zero."),
        ("Call (425) 555-0100 now", "Call four two five, five five five, zero one zero zero now"),
        ("+14255550100", "plus one four two five five five five zero one zero zero"),
        ("dial 911.", "dial nine one one."),
        ("See www.alder-dental.com", "See w w w dot alder dash dental dot com"),
        ("at https://example.org/times today", "at example dot org slash times today"),
        ("Write to info@example.com.", "Write to info at example dot com."),
        ("On 2026-11-22 at 7:30 it costs $1,250.50.", "On 2026-11-22 at 7:30 it costs $1,250.50."),
        ("From 8 to 12.30, 100 people", "From 8 to 12.30, 100 people"),
        ("in 1999 and 2026", "in 1999 and 2026"),
        ("①Room of 20 m², with CO₂", " 1 Room of 20 m², with CO 2 "),
    ],
)
def test_only_numbers_and_addresses_are_spelled_out(text: str, said: str) -> None:
    assert spell_out(text) == said
