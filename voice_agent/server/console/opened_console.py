"""The console of one server with all its parts; it lasts as long as the server takes requests."""

import asyncio
from functools import partial

from voice_agent.call.commands import Report
from voice_agent.config.agents import AgentSource
from voice_agent.config.prices import Prices
from voice_agent.config.settings import Settings
from voice_agent.errors import ConfigError
from voice_agent.live.call_client import CallClient
from voice_agent.recording.redact import read_wanted
from voice_agent.server.console.access import Access
from voice_agent.server.console.agent_files import AgentFiles, agent_file_routes
from voice_agent.server.console.application import application
from voice_agent.server.console.call import PastCalls, call_routes
from voice_agent.server.console.calls import calls_routes
from voice_agent.server.console.listening import Listening, listening_routes
from voice_agent.server.console.live import Live, live_routes
from voice_agent.server.console.phone import Phone, phone_routes
from voice_agent.server.console.webrtc import BrowserCalls, webrtc_routes
from voice_agent.server.console.workshop import Workshop
from voice_agent.server.neighbours import Neighbours
from voice_agent.server.reception import Reception
from voice_agent.store.history import History
from voice_agent.store.recordings import Recordings
from voice_agent.store.search import Search
from voice_agent.tools.text_message import MessageSender


class OpenedConsole:
    """See the module."""

    def __init__(
        self,
        settings: Settings,
        agents: AgentSource,
        reception: Reception,
        history: History,
        prices: Prices,
        *,
        recordings: Recordings,
        key: bytes,
        client: CallClient | ConfigError,
        tasks: asyncio.TaskGroup,
        messages: MessageSender | None,
        neighbours: Neighbours | None = None,
    ) -> None:
        """`key`: see `Access`. `client`, `tasks` and `messages`: see `BrowserCalls`. `neighbours`: see `Live`."""
        access = Access(settings.console_password, key, settings.public_url)
        files = AgentFiles(agents, edit=settings.console_edit)
        self._workshop = Workshop()
        self._browser_calls = BrowserCalls(agents, client, tasks, messages, seat=reception.seat)
        self._live = Live(reception.lobby, prices.currency, tasks, neighbours)
        self._listening = Listening(self._live)
        self.phone = Phone(agents, reception, access)
        wanted = partial(read_wanted, settings.redact_words)

        def is_loaded(name: str) -> bool:
            return agents.latest().named(name) is not None

        past = PastCalls(history, recordings, prices, self._workshop, redact=wanted, is_loaded=is_loaded)
        self.application = application(
            access,
            [
                live_routes(self._live),
                listening_routes(self._listening),
                calls_routes(Search(history), prices),
                call_routes(past),
                phone_routes(self.phone, files),
                agent_file_routes(files),
                webrtc_routes(self._browser_calls),
            ],
            "" if isinstance(client, ConfigError) else client.address.calls,
            # Every page leads to calls, and the first one should not have to wait for a process to start.
            opened=self._workshop.make_ready,
        )

    def observe(self, call_sid: str, now_ms: int, report: Report) -> None:
        """Take a report of a call; fits `opened_call.CallObserver`."""
        self._live.observe(call_sid, now_ms, report)
        self.phone.observe(call_sid, now_ms, report)

    async def end_calls(self) -> None:
        """Hang up what the server does not hold itself, because it stops."""
        await self._browser_calls.close()
        self.phone.close()

    def close(self) -> None:
        """Let all pages go, and forget what was made for them."""
        self._live.close()
        self._listening.close()
        self._workshop.close()
