import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.live.admission import REMEMBERED, TOKEN_SECONDS, Claim, Refusal, StreamTokens, examine_start
from voice_agent.wire import twilio

SECRET = b"0123456789abcdef"
NONCE = bytes(16)
CALL = "CA00000000000000000000000000000001"
OTHER = "CA00000000000000000000000000000002"


@pytest.fixture
def tokens() -> StreamTokens:
    return StreamTokens(SECRET)


def start(parameters: dict[str, str], call_sid: str = CALL) -> twilio.Start:
    body = twilio.StartBody(call_sid, "AC1", twilio.MediaFormat(), custom_parameters=parameters)
    return twilio.Start("MZ1", body)


def test_a_token_admits_one_stream(tokens: StreamTokens) -> None:
    token = tokens.issue(CALL, 1000, NONCE)

    assert tokens.claim(token, CALL, 1003) == Claim.OK
    assert tokens.claim(token, CALL, 1004) == Claim.USED


def test_of_a_repeated_webhooks_tokens_one_admits(tokens: StreamTokens) -> None:
    first = tokens.issue(CALL, 1000, NONCE)
    second = tokens.issue(CALL, 1005, bytes([1] * 16))

    assert first != second
    assert tokens.claim(second, CALL, 1006) == Claim.OK
    assert tokens.claim(first, CALL, 1007) == Claim.USED


def test_a_further_stream_of_a_call_is_admitted_once_by_tokens_of_its_own(tokens: StreamTokens) -> None:
    first = tokens.issue(CALL, 1000, NONCE)
    late = tokens.issue(CALL, 1000, bytes([1] * 16))
    further = [tokens.issue(CALL, 1010, bytes([number] * 16), "CAdial") for number in (2, 3)]

    assert tokens.claim(first, CALL, 1001) == Claim.OK
    assert tokens.claim(further[0], CALL, 1011) == Claim.OK
    assert [tokens.claim(token, CALL, 1012) for token in (late, further[1])] == [Claim.USED] * 2


def test_a_token_of_another_call_does_not_admit_and_stays_good(tokens: StreamTokens) -> None:
    token = tokens.issue(OTHER, 1000, NONCE)

    assert tokens.claim(token, CALL, 1000) == Claim.OTHER_CALL
    assert tokens.claim(token, OTHER, 1000) == Claim.OK


@pytest.mark.parametrize(
    ("age_s", "claim"),
    [
        (0, Claim.OK),
        (TOKEN_SECONDS, Claim.OK),
        (TOKEN_SECONDS + 1, Claim.STALE),
        (-TOKEN_SECONDS, Claim.OK),
        (-TOKEN_SECONDS - 1, Claim.STALE),
    ],
)
def test_a_token_is_good_for_two_minutes(tokens: StreamTokens, age_s: int, claim: Claim) -> None:
    assert tokens.claim(tokens.issue(CALL, 1000, NONCE), CALL, 1000 + age_s) == claim


def test_a_stale_token_does_not_use_the_call_up(tokens: StreamTokens) -> None:
    tokens.claim(tokens.issue(CALL, 1000, NONCE), CALL, 2000)

    assert tokens.claim(tokens.issue(CALL, 2000, NONCE), CALL, 2000) == Claim.OK


def test_another_secret_makes_other_tokens(tokens: StreamTokens) -> None:
    assert tokens.claim(StreamTokens(SECRET + b"x").issue(CALL, 1000, NONCE), CALL, 1000) == Claim.FORGED


def test_every_process_with_the_secret_can_check_a_token(tokens: StreamTokens) -> None:
    assert StreamTokens(SECRET).claim(tokens.issue(CALL, 1000, NONCE), CALL, 1000) == Claim.OK


@given(st.text(), st.text())
def test_garbage_is_forged(token: str, call_sid: str) -> None:
    assert StreamTokens(SECRET).claim(token, call_sid, 1000) == Claim.FORGED


@given(st.integers(0, 200), st.characters())
def test_a_token_with_one_character_changed_is_forged(position: int, character: str) -> None:
    token = StreamTokens(SECRET).issue(CALL, 1000, NONCE)
    changed = token[: position % len(token)] + character + token[position % len(token) + 1 :]

    claim = StreamTokens(SECRET).claim(changed, CALL, 1000)

    assert claim == (Claim.OK if changed == token else Claim.FORGED)


@given(st.text(), st.integers(0, 2**40), st.binary())
def test_any_call_sid_makes_a_good_token(call_sid: str, now_s: int, nonce: bytes) -> None:
    tokens = StreamTokens(SECRET)

    assert tokens.claim(tokens.issue(call_sid, now_s, nonce), call_sid, now_s) == Claim.OK


def test_the_memory_of_used_tokens_is_bounded(tokens: StreamTokens) -> None:
    first = tokens.issue("CA0", 1000, NONCE)
    assert tokens.claim(first, "CA0", 1000) == Claim.OK

    for number in range(1, REMEMBERED):
        tokens.claim(tokens.issue(f"CA{number}", 1000, NONCE), f"CA{number}", 1000)
    assert tokens.claim(first, "CA0", 1000) == Claim.USED

    tokens.claim(tokens.issue("CAx", 1000, NONCE), "CAx", 1000)
    assert tokens.claim(first, "CA0", 1000) == Claim.OK


def test_a_guessable_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        StreamTokens(b"short")


def test_a_start_with_its_token_is_admitted_once(tokens: StreamTokens) -> None:
    message = start({"token": tokens.issue(CALL, 1000, NONCE)})

    assert examine_start(tokens, message, 1001) is None
    assert examine_start(tokens, message, 1001) == Refusal.TOKEN_USED


@pytest.mark.parametrize("parameters", [{}, {"token": ""}, {"Token": "x"}])
def test_a_start_without_a_token_is_refused(tokens: StreamTokens, parameters: dict[str, str]) -> None:
    assert examine_start(tokens, start(parameters), 1000) == Refusal.TOKEN_MISSING


def test_a_start_with_a_useless_token_says_why(tokens: StreamTokens) -> None:
    parameters = {"token": tokens.issue(CALL, 1000, NONCE)}

    assert examine_start(tokens, start({"token": "x"}), 1000) == Refusal.TOKEN_FORGED
    assert examine_start(tokens, start(parameters, OTHER), 1000) == Refusal.TOKEN_OF_OTHER_CALL
    assert examine_start(tokens, start(parameters), 9999) == Refusal.TOKEN_STALE
