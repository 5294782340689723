import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from tests.support.twilio_rest import FakeRest, fake_rest
from voice_agent.errors import RefusedError, UnreachedError
from voice_agent.twilio_api.calls import CallsApi
from voice_agent.twilio_api.dialler import Dialler, UncertainError
from voice_agent.twilio_api.dialling import OutboundCall

ACCOUNT = "AC00000000000000000000000000000001"
CALL = OutboundCall(
    to="+14255550123",
    from_="+14255550100",
    agent="reminder",
    url="https://t.example/twilio/voice?agent=reminder",
    status_callback="https://t.example/twilio/status",
    detection_callback="https://t.example/twilio/amd",
)


@pytest.fixture
def rest() -> Iterator[FakeRest]:
    with fake_rest() as fake:
        yield fake


def dialling(url: str, work: Callable[[Dialler], Awaitable[Any]], per_second: int = 100, timeout_s: float = 2.0) -> Any:
    api = CallsApi(ACCOUNT, ACCOUNT, "token", url, timeout_s)

    async def run() -> Any:
        async with asyncio.timeout(30):
            return await work(Dialler(api, per_second))

    try:
        return asyncio.run(run())
    finally:
        api.close()


def found(direction: str = "outbound-api", ago_s: int = 0) -> dict[str, Any]:
    created = format_datetime(datetime.now(UTC) - timedelta(seconds=ago_s))
    return {"calls": [{"sid": "CA1", "direction": direction, "date_created": created}], "page": 0, "page_size": 20}


def test_calls_are_placed_no_faster_than_the_account_may(rest: FakeRest) -> None:
    rest.body = {"sid": "CA1"}

    async def work(dialler: Dialler) -> tuple[float, list[str]]:
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert dialler.waits_s == 0
        sids = await asyncio.gather(*(dialler.place(CALL) for _ in range(3)))
        assert dialler.waits_s > 0
        return loop.time() - began, list(sids)

    took_s, sids = dialling(rest.url, work, per_second=20)

    assert sids == ["CA1"] * 3
    assert took_s >= 0.1


def test_a_refusal_is_final(rest: FakeRest) -> None:
    rest.status, rest.body = 400, {"code": 21216, "message": "blocked", "status": 400}

    with pytest.raises(RefusedError) as refused:
        dialling(rest.url, lambda dialler: dialler.place(CALL))
    assert refused.value.code == "21216"
    assert len(rest.requests) == 1


def test_an_account_that_is_not_there_is_a_refusal(rest: FakeRest) -> None:
    rest.status, rest.body = 404, {"code": 20404, "message": "not found", "status": 404}

    with pytest.raises(RefusedError, match="check TWILIO_ACCOUNT_SID"):
        dialling(rest.url, lambda dialler: dialler.place(CALL))
    assert len(rest.requests) == 1


def test_after_trouble_at_twilio_it_is_asked_whether_it_has_the_call(rest: FakeRest) -> None:
    rest.status, rest.body = 500, {"code": 20500, "message": "trouble", "status": 500}

    with pytest.raises(UncertainError, match=r"it is not known whether \+14255550123 was called"):
        dialling(rest.url, lambda dialler: dialler.place(CALL))
    assert [method for method, *_ in rest.requests] == ["POST", "GET"]


def test_what_never_left_was_not_placed() -> None:
    with pytest.raises(UnreachedError):
        dialling("http://127.0.0.1:9", lambda dialler: dialler.place(CALL))


def test_a_lost_answer_is_looked_up_and_never_asked_for_again(rest: FakeRest) -> None:
    rest.body = found()  # to the creation no answer at all

    assert dialling(rest.url, lambda dialler: dialler.place(CALL)) == "CA1"
    assert [method for method, *_ in rest.requests] == ["POST", "GET"]


@pytest.mark.parametrize("body", [found("inbound"), found(ago_s=3600), {"calls": [], "page": 0, "page_size": 20}])
def test_a_call_that_twilio_does_not_know_of_stays_uncertain(rest: FakeRest, body: dict[str, Any]) -> None:
    rest.body = body

    with pytest.raises(UncertainError, match=r"does not know of a call to \+14255550123 so far"):
        dialling(rest.url, lambda dialler: dialler.place(CALL))
    assert [method for method, *_ in rest.requests] == ["POST", "GET"]


def test_a_look_up_that_fails_says_so(rest: FakeRest) -> None:
    rest.body = "no JSON"

    with pytest.raises(UncertainError, match=r"it is not known whether \+14255550123 was called"):
        dialling(rest.url, lambda dialler: dialler.place(CALL))
