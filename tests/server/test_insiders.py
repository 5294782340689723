import pytest
from fastapi import Request

from voice_agent.config.secret import Secret
from voice_agent.server.insiders import bears, is_of_this_machine


def a_request(peer: str = "127.0.0.1", host: str = "127.0.0.1:8080", **headers: str) -> Request:
    named = {"host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        {
            "type": "http",
            "client": (peer, 1234) if peer else None,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in named.items()],
        }
    )


@pytest.mark.parametrize("request_", [a_request(), a_request("::1", host="[::1]:8080"), a_request(host="localhost")])
def test_a_program_of_this_machine_is_known_by_both_ends(request_: Request) -> None:
    assert is_of_this_machine(request_)


@pytest.mark.parametrize(
    "request_",
    [
        a_request("192.0.2.1"),
        a_request(""),
        a_request(host="phone.example"),
        a_request(host=""),
        a_request(host="["),
        a_request(forwarded="for=127.0.0.1"),
        a_request(x_forwarded_for="127.0.0.1"),
        a_request(x_real_ip="127.0.0.1"),
        a_request(via="1.1 proxy"),
    ],
)
def test_whoever_comes_from_beyond_is_not(request_: Request) -> None:
    assert not is_of_this_machine(request_)


@pytest.mark.parametrize(
    ("authorization", "shown"),
    [
        ("Bearer secret", True),
        ("bearer  secret ", True),
        ("Bearer secre", False),
        ("Bearer secret!", False),
        ("Bearer \xff", False),
        ("Basic secret", False),
        ("Bearer", False),
        ("", False),
    ],
)
def test_a_token_is_shown_or_not(authorization: str, shown: bool) -> None:
    assert bears(a_request(authorization=authorization), Secret("secret")) is shown


def test_a_token_that_is_not_set_is_shown_by_nobody() -> None:
    assert not bears(a_request(authorization="Bearer "), None)
