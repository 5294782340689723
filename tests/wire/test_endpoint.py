from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.errors import ConfigError
from voice_agent.wire.endpoint import Endpoint, endpoint, explain_close, explain_refusal, explain_silence

KEY = "sk-very-secret"
OPENAI = endpoint("openai", key=KEY)
AZURE = endpoint("azure", base_url="https://res.openai.azure.com", model="reception", key=KEY)
LOCAL = endpoint("emulator")

DATED = "2025-04-01-preview"
AZURE_URL = "wss://res.openai.azure.com"
HERE = {"base_url": "https://res.openai.azure.com", "model": "m", "key": KEY}


# --- addresses -------------------------------------------------------------------------------------------------------


def test_openai_is_reached_at_its_own_address() -> None:
    assert OPENAI.url == "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1"
    assert OPENAI.headers == {"Authorization": f"Bearer {KEY}"}
    assert OPENAI.dialect == "ga"


@pytest.mark.parametrize(
    ("base_url", "url"),
    [
        ("https://eu.api.openai.com/v1/", "wss://eu.api.openai.com/v1/realtime?model=m"),
        ("https://proxy.example.com", "wss://proxy.example.com/v1/realtime?model=m"),
        ("http://127.0.0.1:9000/v1", "ws://127.0.0.1:9000/v1/realtime?model=m"),
        ("wss://proxy.example.com/team/v1/realtime", "wss://proxy.example.com/team/v1/realtime?model=m"),
    ],
)
def test_openai_s_base_may_be_another(base_url: str, url: str) -> None:
    assert endpoint("openai", base_url=base_url, model="m", key=KEY).url == url


@pytest.mark.parametrize(
    "base_url",
    [
        "https://res.openai.azure.com",
        "https://res.openai.azure.com/",
        "https://res.openai.azure.com/openai/v1/",
        "https://res.openai.azure.com/openai/v1/realtime?model=old&api-version=2025-04-01-preview",
        "https://res.openai.azure.com/openai/deployments/old",
        "https://res.openai.azure.com/api/projects/mine",
        "wss://res.openai.azure.com",
        " res.openai.azure.com ",
    ],
)
def test_azure_is_reached_whatever_part_of_its_address_was_pasted(base_url: str) -> None:
    made = endpoint("azure", base_url=base_url, model="reception", key=KEY)

    assert made.url == "wss://res.openai.azure.com/openai/v1/realtime?model=reception"
    assert made.headers == {"api-key": KEY}


@pytest.mark.parametrize(
    "host", ["res.openai.azure.com", "res.cognitiveservices.azure.com", "res.services.ai.azure.com"]
)
def test_azure_has_three_hosts(host: str) -> None:
    made = endpoint("azure", base_url=f"https://{host}/", model="a b&c", key=KEY)

    assert made.url == f"wss://{host}/openai/v1/realtime?model=a%20b%26c"


def test_a_gateway_before_azure_keeps_its_path() -> None:
    made = endpoint("azure", base_url="https://gate.example.com/voice/openai/v1", model="m", key=KEY)

    assert made.url == "wss://gate.example.com/voice/openai/v1/realtime?model=m"


@pytest.mark.parametrize("base_url", ["", "ws://127.0.0.1:9000", "http://127.0.0.1:9000/"])
def test_the_emulator_needs_nothing(base_url: str) -> None:
    made = endpoint("emulator", base_url=base_url, model="m")

    assert made.url == "ws://127.0.0.1:9000/v1/realtime?model=m"
    assert made.headers == {}


def test_a_whole_url_wins_over_everything_and_needs_no_key() -> None:
    made = endpoint("azure", base_url="https://res.openai.azure.com", url="ws://127.0.0.1:1/any?x=1")

    assert made.url == "ws://127.0.0.1:1/any?x=1"
    assert made.headers == {}
    assert made.set_by == "REALTIME_URL"


def test_a_whole_url_gets_the_provider_s_key() -> None:
    assert endpoint("azure", url="wss://gate.example.com/rt", key=f" {KEY}\n").headers == {"api-key": KEY}


@pytest.mark.parametrize(
    ("provider", "given", "words"),
    [
        ("azure", {"model": "m", "key": KEY}, "AZURE_OPENAI_ENDPOINT: must be set"),
        ("azure", {"base_url": "https://r.openai.azure.com", "key": KEY}, "AZURE_OPENAI_DEPLOYMENT: must be set"),
        ("openai", {}, "OPENAI_API_KEY: must be set"),
        ("openai", {"key": "sk-\nsk"}, "OPENAI_API_KEY: holds a character that no key has"),
        ("openai", {"key": "schlüssel"}, "OPENAI_API_KEY: holds a character that no key has"),
        ("openai", {"key": "Bearer sk"}, "OPENAI_API_KEY: holds a character that no key has"),
        ("openai", {"key": KEY, "base_url": "ftp://host"}, "OPENAI_BASE_URL: must begin with https://, not ftp://"),
        ("openai", {"key": KEY, "base_url": "https://"}, "OPENAI_BASE_URL: is not an address"),
        ("openai", {"key": KEY, "base_url": "https://host:port"}, "OPENAI_BASE_URL: is not an address"),
        ("openai", {"key": KEY, "base_url": "https://ho st"}, "OPENAI_BASE_URL: is not an address"),
        ("emulator", {"base_url": "http://[::1"}, "REALTIME_URL: is not an address"),
        ("emulator", {"url": "https://host/v1/realtime"}, "REALTIME_URL: must begin with wss://"),
        ("emulator", {"url": "ws://"}, "REALTIME_URL: is not an address"),
        (
            "openai",
            {"key": KEY, "dialect": "preview"},
            "REALTIME_DIALECT: preview was switched off by OpenAI on 12 May",
        ),
        ("azure", HERE | {"dialect": "preview"}, "AZURE_OPENAI_API_VERSION: must be set for REALTIME_DIALECT=preview"),
        ("azure", HERE | {"dialect": "ga", "api_version": DATED}, "REALTIME_DIALECT: is ga, but AZURE_OPENAI_API_V"),
        ("azure", HERE | {"api_version": "2024-06-01"}, 'AZURE_OPENAI_API_VERSION: "2024-06-01" is no version of the'),
        ("azure", {"url": f"{AZURE_URL}/openai/realtime?deployment=m"}, "REALTIME_URL: lacks a part: Azure's preview"),
        ("azure", {"url": f"{AZURE_URL}/openai/realtime?api-version={DATED}"}, "REALTIME_URL: lacks a part"),
        (
            "azure",
            {"url": f"{AZURE_URL}/openai/v1/realtime?model=m&api-version={DATED}"},
            "REALTIME_URL: has an api-version, which /openai/v1/realtime refuses",
        ),
        (
            "azure",
            {"url": f"{AZURE_URL}/openai/v1/realtime?model=m", "dialect": "preview"},
            "REALTIME_DIALECT: is preview, but at the path /openai/v1/realtime Azure speaks ga; remove it",
        ),
        (
            "azure",
            {"url": f"{AZURE_URL}/openai/realtime?api-version={DATED}&deployment=m", "dialect": "ga"},
            "REALTIME_DIALECT: is ga, but at the path /openai/realtime Azure speaks preview; remove it",
        ),
        ("openai", {"url": f"wss://host/v1/realtime?api-key={KEY}#1"}, "REALTIME_URL: holds a #, which no WebSocket"),
    ],
)
def test_what_cannot_work_is_named_by_its_variable(provider: Any, given: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        endpoint(provider, **given)

    assert str(caught.value).startswith(words)
    assert KEY not in str(caught.value)


# --- the preview -----------------------------------------------------------------------------------------------------


def test_a_version_makes_azure_s_preview_form() -> None:
    made = endpoint("azure", base_url="res.openai.azure.com/openai/v1", model="my rt", key=KEY, api_version=DATED)

    assert made.url == f"wss://res.openai.azure.com/openai/realtime?api-version={DATED}&deployment=my%20rt"
    assert made.shown == made.url
    assert made.dialect == "preview"
    assert made.headers == {"api-key": KEY}
    assert endpoint("azure", **HERE, api_version=DATED, dialect="preview").dialect == "preview"


def test_a_gateway_before_azure_keeps_its_path_in_the_preview_too() -> None:
    made = endpoint("azure", base_url="https://gate.example.com/voice", model="m", key=KEY, api_version=DATED)

    assert made.url == f"wss://gate.example.com/voice/openai/realtime?api-version={DATED}&deployment=m"


def test_the_local_server_is_spoken_to_in_the_preview_by_its_preview_address() -> None:
    made = endpoint("emulator", base_url="ws://127.0.0.1:5/v1/realtime", dialect="preview")

    assert made.url == f"ws://127.0.0.1:5/openai/realtime?api-version={DATED}&deployment=gpt-realtime-2.1"
    assert made.dialect == "preview"


@pytest.mark.parametrize(
    ("url", "dialect"),
    [
        (f"{AZURE_URL}/openai/realtime?api-version={DATED}&deployment=m", "preview"),
        ("wss://gate.example.com/openai/realtime/", "preview"),
        ("wss://gate.example.com/any?deployment=m", "preview"),
        (f"{AZURE_URL}/openai/v1/realtime?model=m", "ga"),
        ("wss://api.openai.com/v1/realtime?model=m", "ga"),
    ],
)
def test_the_form_of_a_whole_url_picks_the_dialect(url: str, dialect: str) -> None:
    assert endpoint("azure", url=url).dialect == dialect


def test_a_gateway_s_dialect_may_differ_from_the_form_of_its_url() -> None:
    assert endpoint("azure", url="wss://host/openai/realtime", dialect="ga").dialect == "ga"

    made = endpoint("openai", url="wss://host/v1/realtime?model=m", key=KEY, dialect="preview")
    assert made.dialect == "preview"
    assert made.headers == {"Authorization": f"Bearer {KEY}", "OpenAI-Beta": "realtime=v1"}


def test_a_refusal_of_the_preview_says_how_to_leave_it() -> None:
    made = endpoint("azure", base_url="res.openai.azure.com", model="m", key=KEY, api_version=DATED)

    assert "remove AZURE_OPENAI_API_VERSION to use /openai/v1" in explain_refusal(404, "", made)
    assert "api-version" not in explain_refusal(401, "", made)


# --- secrets ---------------------------------------------------------------------------------------------------------


def test_an_endpoint_does_not_show_its_key() -> None:
    url = f"wss://user:{KEY}@host:444/v1/realtime?api-key={KEY}&model=m"
    made = endpoint("openai", url=url, key=KEY)

    assert made.shown == "wss://host:444/v1/realtime?model=m"
    assert (
        repr(made) == str(made) == "Endpoint(wss://host:444/v1/realtime?model=m, headers ['Authorization'], openai, ga)"
    )


def test_an_address_without_a_model_is_shown_as_it_is() -> None:
    assert Endpoint("ws://127.0.0.1:1/rt?token=x", {}).shown == "ws://127.0.0.1:1/rt"


def test_a_key_that_the_server_quotes_is_not_repeated() -> None:
    body = '{"error":{"code":"invalid_api_key","message":"Incorrect API key provided: sk-very-secret."}}'

    assert explain_refusal(401, body, OPENAI) == (
        "HTTP 401: the key was refused; check OPENAI_API_KEY, that it fits the resource, and that the URL has no "
        "api-version (invalid_api_key: Incorrect API key provided: ….)"
    )


@pytest.mark.parametrize("quoted", [f"{KEY}/+", f"{KEY}%2F%2B"])
@pytest.mark.parametrize(
    "url", [f"wss://user:{KEY}%2F%2B@host/v1/realtime?model=m", f"wss://host/v1/realtime?model=m&api-key={KEY}%2F%2B"]
)
def test_a_key_of_the_address_is_not_repeated_either(url: str, quoted: str) -> None:
    made = endpoint("openai", url=url)

    assert KEY not in explain_refusal(401, f"no such key: {quoted}", made)
    assert KEY not in explain_silence(f"{url} is no good", made)


def test_what_opens_nothing_in_an_address_is_no_secret() -> None:
    assert endpoint("openai", url="wss://host/v1/realtime?model=m&intent=realtime&x").secrets == ()


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "made", "words"),
    [
        (400, '{"error":{"code":"OpperationNotSupported"}}', AZURE, "AZURE_OPENAI_DEPLOYMENT names no realtime"),
        (400, "", AZURE, "check AZURE_OPENAI_DEPLOYMENT and AZURE_OPENAI_ENDPOINT"),
        (401, "", AZURE, "check AZURE_OPENAI_API_KEY"),
        (403, "", OPENAI, "check OPENAI_API_KEY"),
        (404, '{"error":{"code":"DeploymentNotFound"}}', AZURE, "a new deployment needs some minutes"),
        (404, "", OPENAI, "no such model or address; check OPENAI_REALTIME_MODEL and OPENAI_BASE_URL"),
        (404, "", endpoint("openai", url="wss://host/x", key=KEY), "no such model or address; check REALTIME_URL"),
        (429, "", AZURE, "the quota is exhausted"),
        (500, "", OPENAI, "the service failed"),
        (503, "<html>busy</html>", OPENAI, "the service failed"),
        (302, "", LOCAL, "no WebSocket there; check REALTIME_URL"),
        (200, "hello\nworld", OPENAI, "no WebSocket there; check OPENAI_BASE_URL (hello world)"),
    ],
)
def test_a_refusal_says_what_to_check(status: int, body: str, made: Endpoint, words: str) -> None:
    line = explain_refusal(status, body, made)

    assert line.startswith(f"HTTP {status}: ")
    assert words in line
    assert "\n" not in line
    assert "<" not in line


@pytest.mark.parametrize("body", ["[]", '{"error":"x"}', '{"error":null}', "{" * 5000, "x" * 5000, '{"error":[]}'])
def test_any_body_gives_one_short_line(body: str) -> None:
    assert len(explain_refusal(500, body, OPENAI)) < 450


@given(st.text(max_size=400))
def test_what_a_peer_says_makes_no_second_line_and_steers_no_terminal(said: str) -> None:
    lines = explain_refusal(500, said, OPENAI, said), explain_silence(said, OPENAI), explain_close(1011, said)

    assert all(line.isprintable() for line in lines)


def test_silence_says_where_nobody_answered() -> None:
    assert explain_silence("timed out during\nopening handshake", AZURE) == (
        "cannot reach wss://res.openai.azure.com/openai/v1/realtime?model=reception: timed out during opening "
        "handshake; check AZURE_OPENAI_ENDPOINT and the network"
    )
    assert ": no answer; check" in explain_silence("", LOCAL)


@pytest.mark.parametrize(
    ("code", "reason", "line"),
    [
        (1001, "maximum duration of 60 minutes", "longest duration (60 minutes) (maximum duration of 60 minutes)"),
        (1001, "", "close 1001: the server is going away; a new session may work at once"),
        (1011, "internal error", "the server failed; a new session may work at once (internal error)"),
        (3000, "invalid_request_error.invalid_api_key", "check the key and the model (invalid_request_error.invalid"),
        (4000, "beta_api_shape_disabled", "the preview dialect is switched off there"),
        (4321, "why not", "close 4321: closed by the server (why not)"),
    ],
)
def test_a_close_says_what_it_means(code: int, reason: str, line: str) -> None:
    assert line in explain_close(code, reason)


# --- Entra ID --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "entra"),
    [
        ({"base_url": "https://r.openai.azure.com", "model": "m"}, True),
        ({"base_url": "https://r.openai.azure.com", "model": "m", "api_version": "2025-04-01-preview"}, True),
        ({"base_url": "https://gate.example.com", "model": "m"}, True),
        ({"base_url": "https://r.openai.azure.com", "model": "m", "key": KEY}, False),
        ({"url": "wss://r.services.ai.azure.com/openai/v1/realtime?model=m"}, True),
        ({"url": "wss://r.openai.azure.com/openai/v1/realtime?model=m&api-key=k"}, False),
        ({"url": "ws://127.0.0.1:1/any"}, False),
    ],
)
def test_a_login_takes_the_place_of_azure_s_key_and_goes_to_nobody_else(given: Any, entra: bool) -> None:
    made = endpoint("azure", **given)

    assert made.entra is entra
    assert ("api-key" in made.headers) is ("key" in given)


# --- every refusal of the upgrade ------------------------------------------------------------------------------------

LOGIN = endpoint("azure", base_url="https://res.openai.azure.com", model="reception")


@pytest.mark.parametrize(
    ("status", "body", "where", "told"),
    [
        (
            400,
            '{"error":{"code":"OpperationNotSupported","message":"no realtime"}}',
            AZURE,
            "AZURE_OPENAI_DEPLOYMENT names no realtime conversation model; deploy one such as gpt-realtime-2.1",
        ),
        (400, "", AZURE, "check AZURE_OPENAI_DEPLOYMENT and AZURE_OPENAI_ENDPOINT"),
        (401, "", AZURE, "the key was refused; check AZURE_OPENAI_API_KEY, that it fits the resource"),
        (401, "", AZURE, "that the URL has no api-version"),
        (403, "", OPENAI, "the key was refused; check OPENAI_API_KEY"),
        (401, "", LOGIN, "the Entra ID token was refused; check that its login has the role"),
        (403, "", LOGIN, '"Cognitive Services OpenAI User" on the resource, and AZURE_OPENAI_SCOPE'),
        (404, '{"error":{"code":"DeploymentNotFound"}}', AZURE, "(a new deployment needs some minutes)"),
        (404, "", OPENAI, "no such model or address; check OPENAI_REALTIME_MODEL and OPENAI_BASE_URL"),
        (429, "", AZURE, "the quota is exhausted; wait, or raise the account's limit"),
        (500, "", AZURE, "the service failed; try again"),
        (503, "<html>busy</html>", OPENAI, "the service failed; try again"),
    ],
)
def test_each_refusal_says_what_to_check(status: int, body: str, where: Endpoint, told: str) -> None:
    explained = explain_refusal(status, body, where)

    assert explained.startswith(f"HTTP {status}: ")
    assert told in explained


@pytest.mark.parametrize(
    ("retry_after", "told"),
    [
        ("", ""),
        ("17", "; the service asks to wait 17 s"),
        ("Sun, 22 Nov 2026 10:00:00 GMT", "; the service asks to wait until Sun, 22 Nov 2026 10:00:00 GMT"),
    ],
)
def test_a_service_that_says_how_long_to_wait_is_quoted(retry_after: str, told: str) -> None:
    assert explain_refusal(429, "", AZURE, retry_after) == (
        f"HTTP 429: the quota is exhausted; wait, or raise the account's limit{told}"
    )


ADDRESSES = st.text(max_size=20) | st.builds(
    "{}://{}{}".format,
    st.sampled_from(["ws", "wss", "http", "https"]),
    st.sampled_from(["a.example", "[::1]", "[", "a:99999", "a:x", "u:secret-key@h", ""]),
    st.sampled_from(
        ["", "/v1/realtime?model=m", "/openai/realtime?api-version=1&api-key=secret-key", "?x", "#f", "/["]
    ),
)


@given(st.sampled_from(["azure", "openai", "emulator"]), ADDRESSES, ADDRESSES)
def test_any_address_is_an_endpoint_or_a_line_and_neither_shows_a_key(provider: Any, url: str, base_url: str) -> None:
    try:
        shown = repr(endpoint(provider, model="m", key="secret-key", base_url=base_url, url=url))
    except ConfigError as error:
        shown = str(error)

    assert "secret-key" not in shown
