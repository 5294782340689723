import asyncio

import pytest
from starlette.requests import HTTPConnection

from tests.support.console import KEY, PUBLIC, an_access
from voice_agent.config.secret import Secret
from voice_agent.server.console.access import MOST_WRONG, SESSION_SECONDS, WRONG_SECONDS, Access


def a_request(peer: str = "127.0.0.1", method: str = "GET", kind: str = "http", **headers: str) -> HTTPConnection:
    given = {"host": "127.0.0.1:8080", **headers}
    encoded = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in given.items()]
    scope = {"type": kind, "headers": encoded, "client": (peer, 1), "query_string": b"", "path": "/console"}
    return HTTPConnection(scope | ({"method": method} if kind == "http" else {}))


@pytest.mark.parametrize(
    "request_",
    [
        a_request(),
        a_request("::1", host="[::1]:8080"),
        a_request(host="localhost:8080", origin="http://localhost:8080"),
        a_request(sec_fetch_site="none"),
        # Somebody follows a link to the console.
        a_request(sec_fetch_site="cross-site", sec_fetch_mode="navigate"),
    ],
)
def test_a_browser_of_this_machine_gets_in(request_: HTTPConnection) -> None:
    assert an_access().judge(request_) == "in"
    assert an_access().may_knock(request_) == "in"


@pytest.mark.parametrize(
    ("request_", "verdict"),
    [
        (a_request("192.0.2.1"), "this machine only"),
        (a_request(host="phone.example"), "this machine only"),
        (a_request(host=""), "this machine only"),
        (a_request(host="["), "this machine only"),
        (a_request(forwarded="for=192.0.2.1"), "this machine only"),
        (a_request(x_forwarded_host="phone.example"), "this machine only"),
        (a_request(origin="http://["), "another origin"),
        (a_request(origin="https://evil.example"), "another origin"),
        (a_request(origin="null"), "another origin"),
        (a_request(sec_fetch_site="cross-site"), "another origin"),
        (a_request(sec_fetch_site="same-site"), "another origin"),
        (a_request(method="POST", sec_fetch_site="cross-site", sec_fetch_mode="navigate"), "another origin"),
        (a_request(method="POST"), "no token"),
        (a_request(method="DELETE", x_console_token="wrong"), "no token"),
        (a_request(kind="websocket"), "no token"),
        (a_request(kind="websocket", origin="https://evil.example"), "another origin"),
    ],
)
def test_a_stranger_does_not(request_: HTTPConnection, verdict: str) -> None:
    assert an_access().judge(request_) == verdict


def signed_in(access: Access) -> str:
    session = asyncio.run(access.sign_in("long enough"))
    assert session is not None
    return session


def test_the_password_opens_it_from_anywhere_and_is_then_wanted_of_all() -> None:
    access = an_access("long enough")

    assert access.judge(a_request()) == "sign in"
    assert access.judge(a_request("192.0.2.1", host="phone.example", cookie=f"console={signed_in(access)}")) == "in"
    assert asyncio.run(access.sign_in("wrong")) is None


def test_a_session_lasts_so_long_and_ends_with_the_password() -> None:
    now_s = 1_000
    access = Access(Secret("long enough"), KEY, PUBLIC, lambda: now_s)
    request = a_request(cookie=f"__Host-console={signed_in(access)}")

    assert access.judge(request) == "in"
    assert Access(Secret("long enough"), KEY, PUBLIC, lambda: now_s).judge(request) == "in"  # another server
    assert Access(Secret("another one"), KEY, PUBLIC, lambda: now_s).judge(request) == "sign in"
    assert Access(Secret("long enough"), b"1" * 32, PUBLIC, lambda: now_s).judge(request) == "sign in"
    now_s += SESSION_SECONDS
    assert access.judge(request) == "sign in"


@pytest.mark.parametrize(
    "forge", [lambda told: told[:-1], lambda told: f"9{told}", lambda _: "", lambda _: ".", lambda _: "9.x."]
)
def test_a_session_that_was_not_given_is_none(forge) -> None:  # type: ignore[no-untyped-def]
    access = an_access("long enough")

    assert access.judge(a_request(cookie=f"console={forge(signed_in(access))}")) == "sign in"


def test_a_token_belongs_to_its_session() -> None:
    access = an_access("long enough")
    mine, other = (f"console={signed_in(access)}" for _ in range(2))
    token = access.token(a_request(cookie=mine))

    assert access.judge(a_request(method="POST", cookie=mine, x_console_token=token)) == "in"
    assert access.judge(a_request(method="POST", cookie=other, x_console_token=token)) == "no token"
    assert an_access().judge(a_request(method="POST", x_console_token=token)) == "no token"


def test_wrong_passwords_make_everybody_wait_but_who_is_in() -> None:
    now_s = 1_000
    access = Access(Secret("long enough"), KEY, PUBLIC, lambda: now_s)
    session = signed_in(access)
    for _ in range(MOST_WRONG):
        assert access.wait_seconds() == 0
        asyncio.run(access.sign_in("wrong"))

    assert access.wait_seconds() == WRONG_SECONDS
    assert access.judge(a_request(cookie=f"console={session}")) == "in"
    now_s += WRONG_SECONDS - 1
    assert access.wait_seconds() == 1
    now_s += 1
    assert access.wait_seconds() == 0


def test_right_passwords_make_nobody_wait() -> None:
    access = an_access("long enough")
    for _ in range(2 * MOST_WRONG):
        signed_in(access)

    assert access.wait_seconds() == 0


@pytest.mark.parametrize(
    ("request_", "cookie"),
    [
        (a_request(origin="http://127.0.0.1:8080"), ("console", False)),
        (a_request(origin="https://phone.example"), ("__Host-console", True)),
        (a_request(host="phone.example"), ("__Host-console", True)),
    ],
)
def test_a_cookie_that_came_by_https_goes_by_https_only(request_: HTTPConnection, cookie: tuple[str, bool]) -> None:
    assert an_access("long enough").cookie(request_) == cookie
