"""The caller's audio while secret digits are typed."""

from hypothesis import given
from hypothesis import strategies as st

from voice_agent.call.commands import HideCaller, ShowCaller
from voice_agent.call.hidden_audio import HiddenAudio

LOUD, SILENT = b"\x10" * 160, b"\xff" * 160


def fed(hidden: HiddenAudio, first: int, count: int) -> bytes:
    """Frames of 20 ms, by their numbers; gives what went on."""
    return b"".join(hidden.frame(number * 20 + 20, LOUD)[0] for number in range(first, first + count))


def test_audio_is_held_back_for_200_ms() -> None:
    hidden = HiddenAudio()

    assert fed(hidden, 0, 10) == b""
    assert hidden.held_ms == 200
    assert fed(hidden, 10, 5) == LOUD * 5
    assert hidden.held_ms == 200


def test_a_key_silences_what_is_held_back_and_what_follows() -> None:
    hidden = HiddenAudio()
    before = fed(hidden, 0, 15)
    key = hidden.key()

    assert before == LOUD * 5
    assert key == (SILENT * 10, [HideCaller(100)])
    assert fed(hidden, 15, 50) == SILENT * 50
    assert hidden.key() == (b"", [])


def test_the_caller_is_heard_again_200_ms_behind_the_last_key_once_it_is_known_to_be_the_last() -> None:
    hidden = HiddenAudio()
    fed(hidden, 0, 15)
    hidden.key()
    fed(hidden, 15, 20)
    hidden.key()
    hidden.enough()
    nine = [hidden.frame(number * 20 + 20, LOUD) for number in range(35, 44)]
    tenth = hidden.frame(900, LOUD)

    assert nine == [(SILENT, [])] * 9
    assert tenth == (SILENT, [ShowCaller()])
    assert fed(hidden, 45, 11) == LOUD  # and held back once more
    assert hidden.key() == (SILENT * 10, [HideCaller(920)])


def test_what_went_on_already_cannot_be_hidden() -> None:
    hidden = HiddenAudio()
    fed(hidden, 0, 5)
    given_up = hidden.release()
    fed(hidden, 5, 2)

    assert given_up == LOUD * 5
    assert hidden.key() == (SILENT * 2, [HideCaller(100)])


def test_nothing_is_shown_that_was_not_hidden() -> None:
    hidden = HiddenAudio()
    fed(hidden, 0, 3)

    assert hidden.show() == []
    hidden.key()
    assert hidden.show() == [ShowCaller()]


@given(st.lists(st.sampled_from(["frame", "gap", "back", "key", "enough", "release"]), max_size=60))
def test_nothing_is_lost_and_nothing_near_a_key_is_heard(acts: list[str]) -> None:
    hidden, end_ms, length, given_up = HiddenAudio(), 0, 0, b""
    for act in acts:
        match act:
            case "key":
                given_up += hidden.key()[0]
            case "enough":
                hidden.enough()
            case "release":
                given_up += hidden.release()
            case _:
                end_ms += {"frame": 20, "gap": 300, "back": -60}[act]
                length += 160
                given_up += hidden.frame(max(end_ms, 0), LOUD)[0]

    assert len(given_up) + hidden.held_ms * 8 == length


def test_a_key_right_behind_the_end_of_secrecy_hides_from_where_it_ended() -> None:
    audio = HiddenAudio()
    audio.frame(20, b"\x00" * 160)
    audio.key()
    audio.enough()
    for end_ms in range(40, 260, 20):
        audio.frame(end_ms, b"\x00" * 160)

    assert audio.key() == (b"\xff" * 160, [HideCaller(220)])
