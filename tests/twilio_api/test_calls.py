import base64
from urllib.parse import parse_qsl

import pytest

from tests.support.twilio_rest import ACCOUNT, CALL, CALL_PATH, KEY, FakeRest, problem_of, run
from voice_agent.agent import OnMachine
from voice_agent.twilio_api.calls import Account, CallsApi, Course
from voice_agent.twilio_api.dialling import OutboundCall


def test_a_call_is_hung_up(rest: FakeRest, calls: CallsApi) -> None:
    rest.body = {"sid": CALL, "status": "completed"}

    assert run(calls.hang_up(CALL)) == ""

    authorization = "Basic " + base64.b64encode(f"{ACCOUNT}:token".encode()).decode()
    assert rest.requests == [("POST", CALL_PATH, "Status=completed", authorization)]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"code": 20404, "message": "The requested resource was not found", "status": 404}),
        (404, "gone"),
        (400, {"code": 21220, "message": "Call is not in-progress", "status": 400}),
    ],
)
def test_a_call_that_had_ended_counts_as_hung_up(rest: FakeRest, calls: CallsApi, status: int, body: object) -> None:
    rest.status, rest.body = status, body

    assert run(calls.hang_up(CALL)) == ""


def test_a_calls_status_is_told(rest: FakeRest, calls: CallsApi) -> None:
    rest.body = {"sid": CALL, "status": "in-progress"}

    assert run(calls.status(CALL)) == "in-progress"
    assert [(method, path) for method, path, _, _ in rest.requests] == [("GET", CALL_PATH)]


def test_an_unknown_call_has_no_status(rest: FakeRest, calls: CallsApi) -> None:
    rest.status, rest.body = 404, {"code": 20404, "message": "not found"}

    assert run(calls.status(CALL)) is None


@pytest.mark.parametrize(
    ("status", "body", "alive"),
    [
        (200, {"status": "in-progress"}, True),
        (200, {"status": "ringing"}, True),
        (200, {"status": "completed"}, False),
        (404, {"code": 20404, "message": "not found"}, False),
        (500, "", None),
        (200, {}, None),
    ],
)
def test_whether_a_call_still_lives_is_known_or_not(
    rest: FakeRest, calls: CallsApi, status: int, body: object, alive: bool | None
) -> None:
    rest.status, rest.body = status, body

    assert run(calls.is_in_progress(CALL)) is alive


@pytest.mark.parametrize(("kind", "trial"), [("Trial", True), ("Full", False)])
def test_the_auth_token_is_tried_on_the_account(rest: FakeRest, calls: CallsApi, kind: str, trial: bool) -> None:
    rest.body = {"sid": ACCOUNT, "friendly_name": "Alder Dental", "status": "active", "type": kind}

    assert run(calls.account()) == Account(ACCOUNT, "Alder Dental", "active", trial)
    assert rest.requests[0][1] == f"/2010-04-01/Accounts/{ACCOUNT}.json"


def test_an_api_key_is_tried_on_the_calls_because_it_may_not_read_the_account(rest: FakeRest) -> None:
    rest.body = {"calls": [], "page": 0, "page_size": 1}
    calls = CallsApi(ACCOUNT, KEY, "secret", rest.url)

    assert run(calls.account()) == Account(ACCOUNT)

    assert rest.requests[0][1] == f"/2010-04-01/Accounts/{ACCOUNT}/Calls.json?PageSize=1"
    calls.close()


def test_an_account_that_is_not_there_is_one_line(rest: FakeRest, calls: CallsApi) -> None:
    rest.status, rest.body = 404, {"code": 20404, "message": "not found", "status": 404}

    assert problem_of(calls.account()) == (
        "Twilio refuses: there is no such thing in this account: check TWILIO_ACCOUNT_SID (error 20404)"
    )


# --- calls that we place ---------------------------------------------------------------------------------------------


def outbound(on_machine: OnMachine | None = None) -> OutboundCall:
    return OutboundCall(
        to="+14255550123",
        from_="+14255550100",
        agent="reminder",
        url="https://t.example/twilio/voice?agent=reminder",
        status_callback="https://t.example/twilio/status",
        detection_callback="https://t.example/twilio/amd",
        on_machine=on_machine,
    )


USUAL = [
    ("From", "+14255550100"),
    ("StatusCallback", "https://t.example/twilio/status"),
    ("StatusCallbackEvent", "initiated"),
    ("StatusCallbackEvent", "ringing"),
    ("StatusCallbackEvent", "answered"),
    ("StatusCallbackEvent", "completed"),
    ("To", "+14255550123"),
    ("Url", "https://t.example/twilio/voice?agent=reminder"),
]


@pytest.mark.parametrize(
    ("on_machine", "mode"),
    [
        (None, ""),
        (OnMachine("hang_up"), "Enable"),
        (OnMachine("continue"), "Enable"),
        (OnMachine("leave", "Hello."), "DetectMessageEnd"),
    ],
)
def test_a_call_is_placed_with_its_callbacks_and_the_detection_that_the_agent_needs(
    rest: FakeRest, calls: CallsApi, on_machine: OnMachine | None, mode: str
) -> None:
    rest.body = {"sid": CALL, "status": "queued"}

    assert run(calls.create(outbound(on_machine))) == CALL

    ((method, path, body, _),) = rest.requests
    detection = {
        ("MachineDetection", mode),
        ("AsyncAmd", "true"),
        ("AsyncAmdStatusCallback", "https://t.example/twilio/amd"),
    }
    assert (method, path) == ("POST", CALL_PATH.replace(f"/{CALL}", ""))
    assert set(parse_qsl(body)) == set(USUAL) | (detection if mode else set())


@pytest.mark.parametrize(
    ("body", "course"),
    [
        ({"status": "ringing", "duration": None, "answered_by": None}, Course("ringing")),
        ({"status": "completed", "duration": "36", "answered_by": "human"}, Course("completed", "human", 36)),
        ({"status": "completed", "duration": "soon"}, Course("completed")),
    ],
)
def test_the_course_of_a_call_is_told(rest: FakeRest, calls: CallsApi, body: object, course: Course) -> None:
    rest.body = body

    assert run(calls.course(CALL)) == course


def test_a_course_without_a_status_is_a_fault(rest: FakeRest, calls: CallsApi) -> None:
    assert "does not answer as Twilio does" in problem_of(calls.course(CALL))
