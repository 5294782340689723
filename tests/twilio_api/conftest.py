from collections.abc import Iterator

import pytest

from tests.support.twilio_rest import ACCOUNT, FakeRest, fake_rest
from voice_agent.twilio_api.calls import CallsApi


@pytest.fixture
def rest() -> Iterator[FakeRest]:
    """Serve as an account's REST API does."""
    with fake_rest() as fake:
        yield fake


@pytest.fixture
def calls(rest: FakeRest) -> Iterator[CallsApi]:
    """Ask that account about its calls."""
    api = CallsApi(ACCOUNT, ACCOUNT, "token", rest.url)
    yield api
    api.close()
