from collections.abc import Iterator

import pytest

from tests.support.twilio_rest import ACCOUNT, CALL, CALL_PATH, FakeRest, problem_of, run
from voice_agent.twilio_api.colleagues import ColleaguesApi


@pytest.fixture
def calls(rest: FakeRest) -> Iterator[ColleaguesApi]:
    api = ColleaguesApi(ACCOUNT, ACCOUNT, "token", rest.url)
    yield api
    api.close()


def test_somebody_is_called_for_so_long(rest: FakeRest, calls: ColleaguesApi) -> None:
    rest.body = {"sid": CALL, "status": "queued"}

    assert (
        run(calls.call("+14255550101", "+14255550100", "https://a.example/c/1", "https://a.example/c/1/status", 20))
        == CALL
    )

    ((method, path, form, _),) = rest.requests
    assert (method, path) == ("POST", f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json")
    assert "To=%2B14255550101" in form
    assert "Timeout=20" in form
    assert "StatusCallbackEvent=completed" in form


def test_a_refused_call_is_one_line(rest: FakeRest, calls: ColleaguesApi) -> None:
    rest.status, rest.body = 400, {"code": 21210, "message": "not verified", "status": 400}

    assert "21210" in problem_of(calls.call("+14255550101", "+14255550100", "https://a.example", "", 20))


@pytest.mark.parametrize(
    ("order", "form"),
    [
        ({"twiml": "<Response/>"}, "Twiml=%3CResponse%2F%3E"),
        ({"url": "https://a.example"}, "Url=https%3A%2F%2Fa.example"),
    ],
)
def test_a_call_is_taken_elsewhere(rest: FakeRest, calls: ColleaguesApi, order: dict[str, str], form: str) -> None:
    rest.body = {"sid": CALL, "status": "in-progress"}

    assert run(calls.redirect(CALL, **order)) == ""
    assert [(method, path, sent) for method, path, sent, _ in rest.requests] == [("POST", CALL_PATH, form)]


@pytest.mark.parametrize(
    ("status", "code", "problem"),
    [(400, 21220, "the call is over"), (404, 20404, "the call is over"), (500, 20500, "Twilio has trouble of its own")],
)
def test_a_call_that_cannot_be_taken_says_why(
    rest: FakeRest, calls: ColleaguesApi, status: int, code: int, problem: str
) -> None:
    rest.status, rest.body = status, {"code": code, "message": "no", "status": status}

    assert run(calls.redirect(CALL, twiml="<Response/>")).startswith(problem)
