import pytest

from tests.support.agent_files import agent_of, faults_of
from voice_agent.agent import HttpRequest, Lookup

WRITTEN = """
variables: {name: "", plan: basic}
lookup:
  url: https://crm.example.com/callers/{{ caller }}?plan={{ plan }}
  headers: {Authorization: "Bearer ${CRM_KEY}"}
  timeout: 2
  variables: {name: customer.name, plan: customer.plan}
  agent: desk
"""


def test_a_lookup_is_read_as_it_is_written() -> None:
    assert agent_of(WRITTEN).lookup == Lookup(
        request=HttpRequest(
            method="GET",
            url="https://crm.example.com/callers/{{ caller }}?plan={{ plan }}",
            headers={"Authorization": "Bearer ${CRM_KEY}"},
            seconds=2,
        ),
        variables={"name": "customer.name", "plan": "customer.plan"},
        agent="desk",
    )


def test_without_the_key_nobody_is_asked() -> None:
    assert agent_of().lookup is None


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("lookup: {}", 'key "url" is missing'),
        ("lookup: {url: http://crm.example.com}", "must begin with https://"),
        ("lookup: {url: https://crm.example.com}", 'key "variables" is missing'),
        ("lookup: {url: https://crm.example.com, variables: {nme: a}}", '"nme" is no variable of the agent'),
        ("lookup: {url: https://crm.example.com, agent: a..b}", '"a..b" is no path'),
        ("lookup: {url: 'https://crm.example.com/{{ day }}', agent: a}", "is neither a parameter nor a variable"),
        ("lookup: {url: https://crm.example.com, agent: a, timeout: 15}", "must be a whole number from 1 to 10"),
        ("lookup: {url: https://crm.example.com, agent: a, take: b}", 'unknown key "take"'),
        ("lookup: https://crm.example.com", '"lookup" must be a mapping'),
    ],
)
def test_what_is_wrong_with_a_lookup_is_told_in_a_line(lines: str, told: str) -> None:
    faults = faults_of(lines)

    assert any(told in fault for fault in faults), faults
