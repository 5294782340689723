from voice_agent.emulator.webrtc.secrets import MOST, EphemeralSecrets


class Clock:
    """A time of day that a test sets."""

    def __init__(self) -> None:
        self.now = 1000

    def __call__(self) -> int:
        return self.now


def test_a_secret_is_good_until_it_expires() -> None:
    clock = Clock()
    secrets = EphemeralSecrets(clock)
    made = secrets.mint({"type": "realtime"}, 10)

    assert made.value.startswith("ek_")
    assert made.expires_at == 1010
    assert secrets.find(made.value) == made
    clock.now = 1010
    assert secrets.find(made.value) is None


def test_the_oldest_are_forgotten() -> None:
    secrets = EphemeralSecrets(Clock())
    made = [secrets.mint({}, 10).value for _ in range(MOST + 1)]

    assert secrets.find(made[0]) is None
    assert secrets.find(made[1]) is not None
