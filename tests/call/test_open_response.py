"""The response that is open."""

from voice_agent.call.open_response import OpenResponse


def test_a_response_that_is_cancelled_comes_no_more_and_is_cancelled_once() -> None:
    response = OpenResponse()
    none = response.comes
    response.begin("r1")
    before = (response.comes, response.came)
    orders = [*response.cancel("r1"), *response.cancel("r1")]

    assert (none, before) == (False, (True, False))
    assert [order.response_id for order in orders] == ["r1"]  # type: ignore[attr-defined]
    assert (response.comes, response.came) == (False, True)
    assert response.is_cancelled("r1")


def test_sound_or_a_call_is_what_came_of_it_until_the_next_begins() -> None:
    response = OpenResponse()
    response.begin("r1")
    response.sounds = True
    sounded = response.came
    response.begin("r2")
    fresh = response.came
    response.calls = True

    assert (sounded, fresh, response.came) == (True, False, True)


def test_another_session_knows_nothing_of_what_was_cancelled() -> None:
    response = OpenResponse()
    response.begin("r1")
    list(response.cancel("r1"))
    response.lose()

    assert response.id is None
    assert not response.is_cancelled("r1")
