"""Warm transfers: calls a colleague, has them asked, and brings the two calls together.

    caller's call               here                                colleague's call
    CallColleague           ->  created by REST, rings          ->  answered: a session of its own asks
                                the store                       <-  SettleTransfer, or its end
    ColleagueAnswered       <-  polled from the store
    closes its stream; its action
    is answered with a conference -> redirected there by REST   ->  leaves its stream

What the two processes know of each other stands in the store. A colleague who is not needed any more is hung up on;
nobody stays alone in a conference. It must not know HTTP.
"""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from voice_agent.agent import Agent, Limits, Tool
from voice_agent.call.commands import CallColleague, Destination
from voice_agent.call.events import ColleagueAnswered
from voice_agent.call.setup import CallSetup
from voice_agent.errors import CommandError, PeerError
from voice_agent.live.clock import wall_seconds
from voice_agent.store.transfers import Link, Transfers
from voice_agent.wire import twiml

logger = logging.getLogger(__name__)

COLLEAGUE_PATH = "/twilio/colleague"


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long what may take, in seconds."""

    poll_s: float = 0.25
    """Between two looks into the store for what the colleague says."""
    ring_margin_s: float = 6
    """From the order to the first ring, and from the answer to the webhook."""
    ask_s: float = 45
    """For a colleague to decide: longer than what they are told, shorter than a caller's patience."""
    join_s: float = 5
    """For the caller to come, when the colleague has accepted."""
    redirect_s: float = 2.5
    """For the carrier to take the colleague there: meanwhile the caller is alone."""
    together_s: float = 2.5
    """Then both must be there: a call that left in between leaves the other alone."""
    again_s: tuple[float, ...] = (1, 3)
    """Before what the carrier did not do is asked of it again, and again: it may have trouble for a moment."""


ANNOUNCEMENT = (
    "Hello, I have a caller for you. {{ summary }} Press 1 or say yes to take the call, or press 2 to decline it."
)

_NOTHING = {"type": "object", "properties": {}, "additionalProperties": False}
_TOOLS = (
    Tool("take_call", "The colleague takes the call: they said so. Call it at once.", _NOTHING, "take_call"),
    Tool("decline_call", "The colleague does not take the call. Call it at once.", _NOTHING, "decline_call"),
)

_WHY = {
    "busy": "the line is busy",
    "no-answer": "nobody answered",
    "failed": "the number cannot be reached",
    "canceled": "the call was canceled",
    "completed": "they hung up",
}
"""`CallStatus` of a call that is over."""


class Api(Protocol):
    """What is needed of `twilio_api.colleagues.ColleaguesApi`."""

    async def call(self, to: str, from_: str, url: str, status_callback: str, seconds: int) -> str:
        """Call somebody."""
        ...

    async def redirect(self, call_sid: str, *, twiml: str = "", url: str = "") -> str:
        """Take a call elsewhere."""
        ...

    async def hang_up(self, call_sid: str) -> str:
        """End a call."""
        ...

    async def is_in_progress(self, call_sid: str) -> bool | None:
        """Tell whether a call is there."""
        ...


def asking(agent: Agent, order: CallColleague) -> Agent:
    """Make the agent that asks a colleague: with the voice, the ears and the model of the caller's."""
    transfer = next(
        (tool.transfer for tool in agent.tools if tool.transfer and order.destination.name in tool.transfer.to), None
    )
    announcement = (transfer.announcement if transfer else "") or ANNOUNCEMENT
    summary = order.summary.strip() or "They did not say what it is about."
    return Agent(
        name=agent.name,
        instructions=(
            "You have called a colleague on the phone, for a caller who holds on another line. This is what is known "
            f"of the caller: {summary}\n\nThe colleague decides whether to take the call. As soon as they agree, call "
            "take_call; if they do not want to or cannot, call decline_call. Answer what they ask from what is known, "
            "in a sentence, and ask again whether they take the call. They may also press 1 to take it, or 2 to "
            f"decline. Speak the language with the code {agent.language}."
        ),
        greeting=announcement.replace("{{ summary }}", summary),
        voice=agent.voice,
        language=agent.language,
        turn_detection=agent.turn_detection,
        transcription=agent.transcription,
        noise_reduction=agent.noise_reduction,
        tools=_TOOLS,
        limits=Limits(minutes=2, idle_seconds=10),
        model=agent.model,
        recording=agent.recording,
    )


def _names(agent: Agent, destination: Destination) -> bool:
    transfers = (tool.transfer for tool in agent.tools if tool.transfer is not None and tool.transfer.warm)
    return any(transfer.to.get(destination.name) == destination.address for transfer in transfers)


class Colleagues:
    """Usage: `async with` it around all calls. Fits `live.call_work.Colleagues`."""

    def __init__(
        self, links: Transfers, api: Api, public_url: Callable[[], str], patience: Patience | None = None
    ) -> None:
        """`public_url`: without a final slash."""
        self._links = links
        self._api = api
        self._public_url = public_url
        self._patience = patience or Patience()
        self._tasks = asyncio.TaskGroup()
        self._watches: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Hanging up goes on; who only waits need not.
        for watch in self._watches:
            watch.cancel()
        await self._tasks.__aexit__(None, None, None)

    # --- for the caller's call ---------------------------------------------------------------------------------------

    async def call(self, setup: CallSetup, order: CallColleague) -> ColleagueAnswered:
        """Call somebody for the caller of `setup`, and ask them; nothing is raised but a cancellation."""
        link = Link(id=secrets.token_hex(8), caller_sid=setup.call_sid, setup=self._setup(setup, order))
        placing = asyncio.ensure_future(self._place(link, order))
        try:
            await asyncio.shield(placing)
            problem = await self._decision(link.id, order.destination.seconds + self._patience.ring_margin_s)
        except asyncio.CancelledError:
            self._tasks.create_task(self._call_off(link.id, placing))
            raise
        except (PeerError, CommandError) as error:
            logger.error("%s is not called: %s", order.destination.name, error, extra={"call": setup.call_sid})  # noqa: TRY400 - the text says it all
            problem = "the call could not be placed"
        if problem:
            await self._drop(link.id, problem)
            return ColleagueAnswered(order.call_id, problem=problem)
        self._watch(lambda: self._expect(link.id))
        return ColleagueAnswered(order.call_id, conference=link.id)

    def _setup(self, setup: CallSetup, order: CallColleague) -> CallSetup:
        # After a hand-over it is another agent's colleague.
        destination, agents = order.destination, (setup.agent, *setup.others)
        return CallSetup(
            call_sid="",
            agent=asking(next((each for each in agents if _names(each, destination)), setup.agent), order),
            caller=destination.address,
            called=destination.caller_id or setup.called,
            outbound=True,
            model=setup.model,
            preconnect=setup.preconnect,
            rest=True,
        )

    async def _place(self, link: Link, order: CallColleague) -> None:
        await self._links.add(link, wall_seconds())
        url = f"{self._public_url()}{COLLEAGUE_PATH}/{link.id}"
        to, from_ = link.setup.caller, link.setup.called
        sid = await self._api.call(to, from_, url, f"{url}/status", order.destination.seconds)
        await self._links.placed(link.id, sid)
        logger.info("%s is called", order.destination.name, extra={"call": link.caller_sid})

    async def _decision(self, link_id: str, ring_s: float) -> str:
        """Wait for it; gives why not, or nothing."""
        loop = asyncio.get_running_loop()
        until, asked = loop.time() + ring_s, False
        while loop.time() < until:
            link = await self._links.find(link_id)
            if link is None or link.state == "over":
                return link.problem if link else "the call was lost"
            if link.state in {"accepted", "joined"}:
                return ""
            if link.state == "asking" and not asked:
                until, asked = loop.time() + self._patience.ask_s, True
            await asyncio.sleep(self._patience.poll_s)
        return "they did not say whether they take the call" if asked else "nobody answered"

    async def _expect(self, link_id: str) -> None:
        """See that the caller comes: who is gone meanwhile does not."""
        await asyncio.sleep(self._patience.join_s)
        link = await self._links.find(link_id)
        if link is not None and link.state == "accepted":
            await self._drop(link_id, "the caller is gone")

    async def _call_off(self, link_id: str, placing: asyncio.Future[None]) -> None:
        """End the second call though the carrier may grant it only now: nobody's phone shall ring for nobody."""
        await asyncio.gather(placing, return_exceptions=True)
        await self._drop(link_id, "the caller is gone")

    async def _drop(self, link_id: str, problem: str) -> None:
        """End the second call, if it is not over or has become a conference."""
        try:
            link = await self._links.find(link_id)
            closed = await self._links.close(link_id, problem)
            # One that is over has ended by itself, or is being ended by its agent's goodbye.
            if closed and link is not None and link.colleague_sid:
                await self._hang_up(link.colleague_sid)
        except CommandError as error:
            logger.error("%s", error)  # noqa: TRY400 - the text says it all

    # --- for the colleague's call ------------------------------------------------------------------------------------

    async def answered(self, link_id: str, call_sid: str) -> CallSetup | None:
        """Take an answered call: what it is made from, or `None` when nobody waits for it any more, or can be asked."""
        try:
            link = await self._links.find(link_id)
            if link is None or not await self._links.move(link_id, "asking", "calling"):
                return None
            await self._links.placed(link_id, call_sid)
        except CommandError as error:
            logger.error("%s", error, extra={"call": call_sid})  # noqa: TRY400 - the text says it all
            return None
        return msgspec.structs.replace(link.setup, call_sid=call_sid)

    async def progress(self, link_id: str, fields: Mapping[str, str]) -> None:
        """Take a status callback of the colleague's call."""
        why = _WHY.get(fields.get("CallStatus", ""))
        if why is not None:
            try:
                await self._links.close(link_id, why)
            except CommandError as error:
                logger.error("%s", error, extra={"call": fields.get("CallSid", "")})  # noqa: TRY400 - the text says it all

    async def settle(self, call_sid: str, accepted: bool) -> None:
        """Take what the colleague of this call has decided."""
        try:
            link = await self._links.of_colleague(call_sid)
            if link is None:
                return
            if not accepted:
                await self._links.close(link.id, "they do not take the call")
            elif link.state == "over":
                await self._hang_up(call_sid)  # which the carrier has not done before
            elif not await self._links.move(link.id, "accepted", "asking"):
                await self._drop(link.id, "the caller is gone")
        except CommandError as error:
            logger.error("%s", error, extra={"call": call_sid})  # noqa: TRY400 - the text says it all

    # --- for both ----------------------------------------------------------------------------------------------------

    def meeting(self, link_id: str, action: str = "") -> str:
        """Give the TwiML of the room in which the two meet; who leaves it ends it."""
        return twiml.render([twiml.Dial(conference=link_id, ends_conference=True, action=action)])

    def join(self, link_id: str, caller_sid: str, way_back: str) -> None:
        """The caller is going there: bring the colleague, too. `way_back`: where the caller goes if that fails."""
        self._watch(lambda: self._bring_together(link_id, caller_sid, way_back))

    async def _bring_together(self, link_id: str, caller_sid: str, way_back: str) -> None:
        try:
            link = await self._links.find(link_id)
            moved = await self._links.move(link_id, "joined", "accepted")
        except CommandError as error:
            # Whom to bring nobody can say now; they are let go by their own agent.
            logger.error("the colleague does not come: %s", error, extra={"call": caller_sid})  # noqa: TRY400 - the text says it all
            await self._take_back(caller_sid, way_back)
            return
        if link is None:
            logger.warning("the colleague does not come: nothing is known of them", extra={"call": caller_sid})
            await self._take_back(caller_sid, way_back)
            return
        problem = await self._bring(link) if moved else link.problem
        if problem or not moved:
            logger.warning("the colleague does not come: %s", problem, extra={"call": link.caller_sid})
            # Theirs may be on the way all the same, when only the answer is late.
            async with asyncio.TaskGroup() as both:
                both.create_task(self._take_back(link.caller_sid, way_back))
                both.create_task(self._hang_up(link.colleague_sid))
            return
        await asyncio.sleep(self._patience.together_s)
        if await self._api.is_in_progress(link.caller_sid) is False:
            await self._hang_up(link.colleague_sid)
        elif await self._api.is_in_progress(link.colleague_sid) is False:
            # If they had met, the caller's part is over, too, and nothing is there to be redirected.
            await self._take_back(link.caller_sid, way_back)

    async def _bring(self, link: Link) -> str:
        try:
            async with asyncio.timeout(self._patience.redirect_s):
                return await self._api.redirect(link.colleague_sid, twiml=self.meeting(link.id))
        except TimeoutError:
            return f"Twilio did not answer within {self._patience.redirect_s:g} s"

    async def _take_back(self, caller_sid: str, way_back: str) -> None:
        await self._insist(lambda: self._api.redirect(caller_sid, url=way_back), caller_sid)

    async def _hang_up(self, colleague_sid: str) -> None:
        await self._insist(lambda: self._api.hang_up(colleague_sid), colleague_sid)

    async def _insist(self, order: Callable[[], Awaitable[str]], call_sid: str) -> None:
        """Order what would leave somebody alone if it were not done, until it is or the call is over."""
        problem = await order()
        for wait_s in self._patience.again_s:
            if not problem or await self._api.is_in_progress(call_sid) is False:
                return
            await asyncio.sleep(wait_s)
            problem = await order()
        if problem:
            logger.warning("a call of a transfer stays as it is: %s", problem, extra={"call": call_sid})

    def _watch(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        watch = self._tasks.create_task(_alone(work))
        self._watches.add(watch)
        watch.add_done_callback(self._watches.discard)


async def _alone(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do what must not end the server, whose tasks it shares, whatever fails in it."""
    try:
        await work()
    except CommandError as error:
        logger.error("%s", error)  # noqa: TRY400 - the text says it all
    except Exception:
        logger.exception("a transfer broke off by a fault of this program")
