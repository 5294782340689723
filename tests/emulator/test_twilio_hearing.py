"""Who listens to the agent: by loudness, on the stream's clock."""

from voice_agent.emulator.twilio.hearing import Hearing
from voice_agent.sim.track import Track

VOICE = b"\x90"
WHISPER = b"\xfe"


def listener() -> tuple[Hearing, Track, list[tuple[str, int]]]:
    heard: list[tuple[str, int]] = []
    hearing = Hearing(lambda at_ms: heard.append(("began", at_ms)), lambda at_ms: heard.append(("silent", at_ms)))
    return hearing, Track(), heard


def test_a_voice_is_heard_from_its_first_to_its_last_sound() -> None:
    hearing, track, heard = listener()
    track.put(800, VOICE * 3200)

    hearing.listen(track, 300)
    assert (hearing.speaking, hearing.spoken_ms, hearing.silent_ms) == (True, 200, 0)

    hearing.listen(track, 2000)
    assert heard == [("began", 100), ("silent", 500)]
    assert (hearing.speaking, hearing.spoken_ms, hearing.silent_ms) == (False, 0, 1500)


def test_a_pause_between_words_does_not_end_what_is_said() -> None:
    hearing, track, heard = listener()
    track.put(0, VOICE * 800)
    track.put(8 * 500, VOICE * 800)

    hearing.listen(track, 610)

    assert heard == [("began", 0)]
    assert hearing.spoken_ms == 600


def test_streamed_silence_is_silence() -> None:
    hearing, track, heard = listener()
    track.put(0, WHISPER * 8000)

    hearing.listen(track, 1000)

    assert (heard, hearing.silent_ms) == ([], 1000)


def test_the_streams_end_ends_what_is_said() -> None:
    hearing, track, heard = listener()
    track.put(0, VOICE * 1600)
    hearing.listen(track, 100)

    hearing.stop()
    hearing.stop()

    assert heard == [("began", 0), ("silent", 100)]
