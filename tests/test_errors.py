from hypothesis import given
from hypothesis import strategies as st

from voice_agent.errors import PeerError


@given(st.text(st.characters(exclude_categories=[]), max_size=40))
def test_what_a_peer_wrote_makes_no_second_line_of_an_error(what: str) -> None:
    said = str(PeerError(what))

    assert said.isprintable()
    assert said == what or not what.isprintable()


def test_what_cannot_be_printed_in_an_error_is_escaped() -> None:
    assert str(PeerError("a\tb\r\nc\x00\u2028\ud800 é")) == r"a\tb\r\nc\x00\u2028\ud800 é"
