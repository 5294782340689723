"""One account's REST API: what goes wrong is one line, and requests go where they shall."""

import asyncio
import socket

import pytest

from tests.support.twilio_rest import ACCOUNT, CALL, KEY, FakeRest, problem_of, run
from voice_agent.twilio_api.calls import CallsApi
from voice_agent.twilio_api.rest import _HttpClient


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (
            401,
            {"code": 20003, "message": "Authenticate", "status": 401},
            "Twilio refuses the credentials: check TWILIO_ACCOUNT_SID with its TWILIO_AUTH_TOKEN, or the API key",
        ),
        (
            403,
            {"code": 20005, "message": "Account not active", "status": 403},
            "Twilio forbids this to these credentials (error 20005): use the Auth Token or a standard API key",
        ),
        (429, {"code": 20429}, "Twilio is asked too often (error 20429): try again in a moment"),
        (
            503,
            "<html>",
            "Twilio has trouble of its own (HTTP 503): try again, see https://status.twilio.com",
        ),
        (
            400,
            {"code": 21218, "message": "Invalid\nApplicationSid", "status": 400},
            (
                "Twilio refuses: Unable to update record: Invalid ApplicationSid (HTTP 400): "
                "see https://www.twilio.com/docs/errors/21218"
            ),
        ),
        (
            400,
            {"type": "https://x", "title": "Bad request", "status": 400, "code": 20001},
            "Twilio refuses: Bad request (HTTP 400): see https://www.twilio.com/docs/errors/20001",
        ),
        (
            400,
            {"type": "https://x", "title": None, "status": ["400"], "code": {}},
            "Twilio refuses: None (HTTP ['400']): see https://www.twilio.com/docs/errors/{}",
        ),
    ],
)
def test_a_refusal_is_one_line_with_what_to_do(
    rest: FakeRest, calls: CallsApi, status: int, body: object, problem: str
) -> None:
    rest.status, rest.body = status, body

    assert run(calls.hang_up(CALL)) == problem


@pytest.mark.parametrize(
    ("status", "body", "problem"),
    [
        (
            401,
            {"code": 20003, "message": "Authenticate", "status": 401},
            "Twilio refuses the credentials: check TWILIO_ACCOUNT_SID with its TWILIO_AUTH_TOKEN, or the API key",
        ),
        (503, "<html>", "Twilio has trouble of its own (HTTP 503): try again, see https://status.twilio.com"),
        (
            400,
            {"code": 1, "message": "No such page"},
            "Twilio refuses: No such page (HTTP 400): see https://www.twilio.com/docs/errors/1",
        ),
    ],
)
def test_a_refusal_of_a_list_is_told_like_any_other(rest: FakeRest, status: int, body: object, problem: str) -> None:
    rest.status, rest.body = status, body
    calls = CallsApi(ACCOUNT, KEY, "secret", rest.url)

    assert problem_of(calls.account()) == problem
    calls.close()


@pytest.mark.parametrize("body", ["<html>", "[]", "5"])
def test_an_answer_that_is_not_twilios_is_one_line(rest: FakeRest, calls: CallsApi, body: str) -> None:
    rest.body = body

    assert run(calls.hang_up(CALL)) == f"{rest.url} does not answer as Twilio does: check TWILIO_API_BASE_URL"


def test_a_server_that_never_answers_is_one_line(rest: FakeRest) -> None:
    rest.released.clear()
    calls = CallsApi(ACCOUNT, ACCOUNT, "token", rest.url, timeout_s=0.1)

    assert run(calls.hang_up(CALL)) == f"{rest.url} did not answer within 0.1 s: try again"

    rest.released.set()
    calls.close()


def test_a_server_that_is_not_there_is_one_line() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening: refused at once
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        calls = CallsApi(ACCOUNT, ACCOUNT, "token", url)

        assert run(calls.hang_up(CALL)) == f"{url} cannot be reached: check the network and TWILIO_API_BASE_URL"

    calls.close()


def test_a_server_without_tls_is_one_line(rest: FakeRest) -> None:
    url = rest.url.replace("http://", "https://")
    calls = CallsApi(ACCOUNT, ACCOUNT, "token", url)

    assert run(calls.hang_up(CALL)) == f"{url} has no valid TLS certificate: check TWILIO_API_BASE_URL"

    calls.close()


def test_wrong_credentials_are_one_line(rest: FakeRest, calls: CallsApi) -> None:
    rest.status, rest.body = 401, {"code": 20003, "message": "Authenticate", "status": 401}

    assert problem_of(calls.account()).startswith("Twilio refuses the credentials: ")


def test_several_requests_run_at_once(rest: FakeRest, calls: CallsApi) -> None:
    rest.body = {"status": "completed"}

    async def main() -> list[str]:
        return await asyncio.gather(*(calls.hang_up(CALL) for _ in range(6)))

    assert run(main()) == [""] * 6


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://localhost:9", "http://[::1]:9"])
def test_no_proxy_is_used_on_this_machine(url: str) -> None:
    client = _HttpClient(url, 1)

    assert client.session.trust_env is False

    client.close()


@pytest.mark.parametrize("url", ["", "https://api.dublin.ie1.twilio.com", "https://10.0.0.1"])
def test_the_environments_proxy_is_used_elsewhere(url: str) -> None:
    client = _HttpClient(url, 1)

    assert client.session.trust_env is True

    client.close()


def test_the_query_of_a_next_page_is_kept(rest: FakeRest) -> None:
    client = _HttpClient(rest.url + "/prefix/", 1)

    client.request("GET", "https://api.twilio.com/2010-04-01/x.json?Page=1", params={"a": "b"})

    assert rest.requests[0][1] == "/prefix/2010-04-01/x.json?Page=1&a=b"
    client.close()


def test_without_another_address_a_request_goes_where_the_package_sends_it(rest: FakeRest) -> None:
    client = _HttpClient("", 1)
    client.session.trust_env = False

    client.request("GET", rest.url + "/x.json?Page=1")

    assert rest.requests[0][1] == "/x.json?Page=1"
    client.close()
