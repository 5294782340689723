import asyncio

from voice_agent.agent import Agent
from voice_agent.call.commands import RunTool
from voice_agent.call.events import HangUpFinished
from voice_agent.call.setup import ModelSetup
from voice_agent.live.call_work import CallWork
from voice_agent.live.endpoint_health import EndpointHealth
from voice_agent.live.endpoints import Reachable
from voice_agent.live.model_leg import ModelLeg
from voice_agent.tools.run import ToolRunner
from voice_agent.wire.endpoint import Endpoint


class FakeApi:
    def __init__(self) -> None:
        self.asked: list[str] = []

    async def hang_up(self, call_sid: str) -> str:
        self.asked.append(call_sid)
        return "not today"

    async def is_in_progress(self, call_sid: str) -> bool | None:
        self.asked.append(call_sid)
        return True


ENDPOINTS = [Reachable(ModelSetup(name=name), Endpoint("ws://127.0.0.1:1/", {})) for name in ("azure", "openai")]


def a_work(api: FakeApi | None, health: EndpointHealth | None = None) -> CallWork:
    tools = ToolRunner(Agent(name="test", instructions=""))
    return CallWork("CA1", ENDPOINTS, tools, api, health=health)


def test_an_endpoint_that_a_call_goes_past_is_given_up_for_the_others_and_not_one_that_it_asks_again() -> None:
    health = EndpointHealth()
    work = a_work(None, health)
    for endpoint in (0, 0):
        work.model_leg(endpoint)
    before = health.rests_s("azure")
    work.model_leg(1)

    assert before == 0
    assert health.rests_s("azure") > 0
    assert health.rests_s("openai") == 0


def test_what_serves_a_call_is_the_endpoint_that_was_asked_last() -> None:
    work = a_work(None)
    before = work.served_by.name
    work.model_leg(1)

    assert (before, work.served_by.name) == ("azure", "openai")


def test_the_carrier_is_asked_about_this_call() -> None:
    api = FakeApi()
    work = a_work(api)

    assert asyncio.run(work.hang_up()) == HangUpFinished("not today")
    assert asyncio.run(work.is_in_progress()) is True
    assert api.asked == ["CA1", "CA1"]


def test_without_credentials_nothing_can_be_asked() -> None:
    work = a_work(None)

    assert asyncio.run(work.hang_up()).problem == "there are no REST credentials"
    assert asyncio.run(work.is_in_progress()) is None


def test_tools_are_the_agents_and_each_leg_is_a_new_one() -> None:
    work = a_work(None)

    assert asyncio.run(work.run_tool(RunTool("c1", "book", "{}"))).failed
    assert isinstance(work.model_leg(0), ModelLeg)
    assert work.model_leg(0) is not work.model_leg(0)
