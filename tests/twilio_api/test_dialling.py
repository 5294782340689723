import re
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voice_agent.agent import Agent, OnMachine
from voice_agent.config.agents import Agents
from voice_agent.config.settings import Settings
from voice_agent.errors import CommandError, ConfigError
from voice_agent.twilio_api.dialling import MOST_QUERY, Dialled, Wish, dialled, phone_number, plan

NOW = datetime(2026, 11, 27, 5, tzinfo=UTC)
ANA = "+14255550123"
REMINDER = Agent(
    name="reminder",
    instructions="Remind {{ name }}.",
    numbers=("+14255550100",),
    variables={"name": "", "when": "soon"},
    on_machine=OnMachine("hang_up"),
)
OTHER = Agent(name="other", instructions="Answer.")
HERE = Settings(public_url="https://tunnel.example", dial_countries=("+1", "+44"))


def planned(wish: Wish, *agents: Agent, settings: Settings = HERE) -> str:
    """Give what is wrong with a wish."""
    with pytest.raises((CommandError, ConfigError)) as raised:
        plan(wish, Agents(agents or (REMINDER, OTHER)), settings, NOW)
    return str(raised.value)


def test_a_call_is_told_to_twilio_with_its_agent_and_variables_in_the_address_that_is_signed() -> None:
    wish = Wish(to="+1 (425) 555-0123", agent="reminder", variables={"name": "Ana & Bo", "when": "at 9"})
    call = plan(wish, Agents([REMINDER, OTHER]), HERE, NOW)

    assert (call.to, call.from_, call.on_machine) == (ANA, "+14255550100", OnMachine("hang_up"))
    assert call.url == "https://tunnel.example/twilio/voice?agent=reminder&var.name=Ana+%26+Bo&var.when=at+9"
    assert call.status_callback == "https://tunnel.example/twilio/status"
    assert call.detection_callback == "https://tunnel.example/twilio/amd"
    assert dialled(urlsplit(call.url).query) == Dialled("reminder", {"name": "Ana & Bo", "when": "at 9"})


def test_a_call_comes_from_the_number_that_is_said_then_the_accounts_then_the_agents() -> None:
    account = msgspec.structs.replace(HERE, twilio_phone_number="+14255550101")
    agents = Agents([REMINDER])

    assert plan(Wish(to=ANA), agents, HERE, NOW).from_ == "+14255550100"
    assert plan(Wish(to=ANA), agents, account, NOW).from_ == "+14255550101"
    assert plan(Wish(to=ANA, from_="+1 425 555 0102"), agents, account, NOW).from_ == "+14255550102"


def test_on_this_machine_the_emulated_twilio_is_enough() -> None:
    local = Settings(dial_countries=("+1",), twilio_api_base_url="http://127.0.0.1:9100")

    assert plan(Wish(to=ANA), Agents([REMINDER]), local, NOW).url.startswith("http://127.0.0.1:8080/twilio/voice?")


@pytest.mark.parametrize(
    ("wish", "problem"),
    [
        (Wish(to="4255550123", agent="reminder"), '"4255550123" is no phone number; write it like +14255550123'),
        (Wish(to="", agent="reminder"), '"" is no phone number; write it like +14255550123'),
        (
            Wish(to="+33155550123", agent="reminder"),
            "+33155550123 begins with none of DIAL_COUNTRIES (+1, +44), so nothing is dialled",
        ),
        (Wish(to=ANA, agent="nobody"), 'there is no agent "nobody"; there are: reminder, other'),
        (Wish(to=ANA), "say which agent calls: reminder, other"),
        (
            Wish(to=ANA, agent="reminder", variables={"nme": "Ana"}),
            'agent reminder has no variable "nme"; write "name"',
        ),
        (Wish(to=ANA, agent="other", variables={"x": "1"}), 'agent other has no variable "x"; it has none'),
        (
            Wish(to=ANA, agent="other"),
            "there is no number to call from; set TWILIO_PHONE_NUMBER to one of the account's",
        ),
        (Wish(to="+14255550100", agent="reminder"), "+14255550100 cannot be called from itself"),
    ],
)
def test_what_cannot_be_dialled_is_said_in_one_line(wish: Wish, problem: str) -> None:
    assert planned(wish) == problem


def test_without_an_allow_list_nobody_may_be_called() -> None:
    settings = msgspec.structs.replace(HERE, dial_countries=())

    assert planned(Wish(to=ANA), REMINDER, settings=settings).startswith("DIAL_COUNTRIES is not set")


def test_twilio_must_be_able_to_reach_the_server() -> None:
    settings = Settings(dial_countries=("+1",))

    assert planned(Wish(to=ANA), REMINDER, settings=settings).startswith("PUBLIC_URL is not public")


def test_a_text_that_fails_with_these_values_keeps_the_call_from_being_dialled() -> None:
    agent = msgspec.structs.replace(REMINDER, instructions="{{ 1 // name | length }}", variables={"name": "Ana"})

    assert '"instructions" cannot be filled in' in planned(Wish(to=ANA, variables={"name": ""}), agent)


def test_variables_that_no_address_can_hold_are_refused() -> None:
    assert planned(Wish(to=ANA, variables={"name": "x" * MOST_QUERY}), REMINDER).startswith(
        "the variables are too long for one call: 20"
    )


@given(
    st.dictionaries(st.sampled_from(["name", "when"]), st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
)
def test_any_values_come_through_the_address_as_they_were(variables: dict[str, str]) -> None:
    call = plan(Wish(to=ANA, variables=variables), Agents([REMINDER]), HERE, NOW)

    assert dialled(urlsplit(call.url).query) == Dialled("reminder", variables)


@given(st.text(max_size=60))
def test_any_query_tells_something_or_nothing(query: str) -> None:
    found = dialled(query)

    assert found is None or found.agent


@pytest.mark.parametrize("query", ["", "agent=", "var.name=Ana", "x=y"])
def test_a_query_that_names_no_agent_tells_nothing(query: str) -> None:
    assert dialled(query) is None


@given(st.text(st.sampled_from("+0123456789 ().-ab\n"), max_size=20))
def test_any_text_is_a_number_or_a_fault(typed: str) -> None:
    with suppress(CommandError):
        assert re.fullmatch(r"\+[1-9][0-9]+", phone_number(typed))
