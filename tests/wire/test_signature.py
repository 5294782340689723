import hashlib
from collections.abc import Sequence
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator

from voice_agent.wire import signature

TOKEN = "12345"
TOKENS = [TOKEN]
STREAM = "wss://agent.example.com/twilio/media"
WEBHOOK = "https://agent.example.com/twilio/voice"
FORM = [("CallSid", "CA1"), ("From", "+14255550100"), ("To", "")]

PAIRS = st.lists(st.tuples(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))))


class Fields:
    """A form with repeated names, as the twilio package knows it of Flask."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = pairs

    def __iter__(self) -> object:
        return iter([name for name, _ in self._pairs])

    def __len__(self) -> int:
        return len(self._pairs)

    def getall(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]


def test_the_example_of_twilios_documents_is_signed_alike() -> None:
    # https://www.twilio.com/docs/usage/security#validating-requests, with its URL, fields and token.
    form = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }

    signed = signature.sign(TOKEN, "https://mycompany.com/myapp.php?foo=1&bar=2", form.items())

    assert signed == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


@given(PAIRS, st.text(st.characters(codec="utf-8"), min_size=1))
def test_the_twilio_package_signs_alike(pairs: list[tuple[str, str]], token: str) -> None:
    assert signature.sign(token, WEBHOOK, pairs) == RequestValidator(token).compute_signature(WEBHOOK, Fields(pairs))


@given(PAIRS, st.sampled_from(["", "?a=1&b=%20"]), st.sampled_from(["", ":443", ":8443"]))
def test_what_the_twilio_package_signs_is_valid(pairs: list[tuple[str, str]], query: str, port: str) -> None:
    url = f"https://agent.example.com{port}/twilio/voice{query}"
    signed = RequestValidator(TOKEN).compute_signature(url, Fields(pairs))

    assert signature.valid_request(TOKENS, url, pairs, signed)
    assert RequestValidator(TOKEN).validate(url, Fields(pairs), signature.sign(TOKEN, url, pairs))


def test_the_order_of_the_fields_does_not_matter() -> None:
    signed = signature.sign(TOKEN, WEBHOOK, FORM)

    assert signature.valid_request(TOKENS, WEBHOOK, reversed(FORM), signed)


@pytest.mark.parametrize(
    ("signed_url", "url"),
    [
        ("https://agent.example.com:443/twilio/voice", WEBHOOK),
        (WEBHOOK, "https://agent.example.com:443/twilio/voice"),
        ("http://127.0.0.1:80/twilio/voice", "http://127.0.0.1/twilio/voice"),
        ("https://[::1]:443/twilio/voice", "https://[::1]/twilio/voice"),
        (WEBHOOK, f"{WEBHOOK}#ct=2000"),
        (f"{WEBHOOK}?", f"{WEBHOOK}?"),
    ],
)
def test_a_default_port_and_a_fragment_do_not_matter(signed_url: str, url: str) -> None:
    assert signature.valid_request(TOKENS, url, FORM, signature.sign(TOKEN, signed_url, FORM))


@pytest.mark.parametrize(
    ("url", "form"),
    [
        (WEBHOOK + "/", FORM),
        (WEBHOOK + "?a=1", FORM),
        ("http://agent.example.com/twilio/voice", FORM),
        ("https://agent.example.com:8443/twilio/voice", FORM),
        (WEBHOOK, FORM[:-1]),
        (WEBHOOK, [*FORM, ("CallSid", "CA2")]),
        (WEBHOOK, [*FORM[:-1], ("To", "x")]),
        (WEBHOOK, []),
    ],
)
def test_another_request_is_not_valid(url: str, form: list[tuple[str, str]]) -> None:
    assert not signature.valid_request(TOKENS, url, form, signature.sign(TOKEN, WEBHOOK, FORM))


@pytest.mark.parametrize("given_signature", [None, "", "x", "\xff\xfe", "\ud800", "0" * 10_000])
def test_no_signature_or_garbage_is_not_valid(given_signature: str | None) -> None:
    assert not signature.valid_request(TOKENS, WEBHOOK, FORM, given_signature)
    assert not signature.valid_upgrade(TOKENS, STREAM, given_signature)
    assert not signature.valid_json(TOKENS, WEBHOOK, b"{}", given_signature)


@given(st.text(), PAIRS)
def test_garbage_never_raises(text: str, pairs: list[tuple[str, str]]) -> None:
    assert not signature.valid_request(TOKENS, f"{WEBHOOK}?{text}", [*pairs, (text, text)], text)
    assert not signature.valid_json(TOKENS, f"{WEBHOOK}?bodySHA256={text}", b"", text)


def test_either_token_is_good_while_they_are_rotated() -> None:
    signed = signature.sign("secondary", WEBHOOK, FORM)

    assert signature.valid_request(["primary", "secondary"], WEBHOOK, FORM, signed)
    assert not signature.valid_request(["primary"], WEBHOOK, FORM, signed)


@pytest.mark.parametrize("tokens", [[], [""], ["", ""]])
def test_a_missing_token_opens_nothing(tokens: list[str]) -> None:
    assert not signature.valid_request(tokens, WEBHOOK, FORM, signature.sign("", WEBHOOK, FORM))
    assert not signature.valid_upgrade(tokens, STREAM, signature.sign("", STREAM))


@pytest.mark.parametrize("scheme", ["wss", "https"])
@pytest.mark.parametrize("port", ["", ":443"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_every_reported_form_of_a_signed_upgrade_is_accepted(scheme: str, port: str, slash: str) -> None:
    signed = signature.sign(TOKEN, f"{scheme}://agent.example.com{port}/twilio/media{slash}")

    assert signature.valid_upgrade(TOKENS, STREAM, signed)
    assert signature.valid_upgrade(TOKENS, f"{STREAM}/", signed)
    assert signature.valid_upgrade(["other", TOKEN], "wss://agent.example.com:443/twilio/media", signed)


@pytest.mark.parametrize(
    "signed_url",
    [
        "wss://agent.example.com/",
        "wss://agent.example.com/twilio/media//",
        "wss://agent.example.com/twilio/media?a=1",
        "ws://agent.example.com/twilio/media",
        "wss://agent.example.com:80/twilio/media",
        "wss://other.example.com/twilio/media",
    ],
)
def test_an_upgrade_that_was_signed_for_something_else_is_refused(signed_url: str) -> None:
    assert not signature.valid_upgrade(TOKENS, STREAM, signature.sign(TOKEN, signed_url))


def test_a_stream_on_this_machine_keeps_its_port() -> None:
    url = "ws://127.0.0.1:8080/twilio/media"

    assert signature.valid_upgrade(TOKENS, url, signature.sign(TOKEN, url))
    assert signature.valid_upgrade(TOKENS, url, signature.sign(TOKEN, "http://127.0.0.1:8080/twilio/media"))
    assert not signature.valid_upgrade(TOKENS, url, signature.sign(TOKEN, "ws://127.0.0.1/twilio/media"))


def test_an_address_of_no_known_scheme_is_taken_as_written() -> None:
    assert signature.valid_request(TOKENS, "tel:1", [], signature.sign(TOKEN, "tel:1"))


@given(st.text(st.characters(codec="utf-8")))
def test_a_json_body_is_covered_by_its_hash(body: str) -> None:
    url = f"{WEBHOOK}?a=1&bodySHA256={hashlib.sha256(body.encode()).hexdigest()}"
    signed = RequestValidator(TOKEN).compute_signature(url, {})

    assert signature.valid_json(TOKENS, url, body.encode(), signed)
    assert not signature.valid_json(TOKENS, url, body.encode() + b" ", signed)
    assert not signature.valid_json(["other"], url, body.encode(), signed)


@pytest.mark.parametrize("query", ["", "?bodySHA256=", "?bodySHA256=" + quote("\xff"), "?bodySHA256=a&bodySHA256=b"])
def test_a_body_without_its_hash_is_not_valid(query: str) -> None:
    url = WEBHOOK + query

    assert not signature.valid_json(TOKENS, url, b"{}", signature.sign(TOKEN, url))
