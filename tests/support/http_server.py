"""A small HTTP server on this machine, for what speaks to one."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def server(handler: Handler, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """Serve every path by one function; gives the address."""
    # Whoever waits for ever is not waited for.
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0)  # type: ignore[arg-type] # it takes what aiohttp's own requests are
    await runner.setup()
    site = web.TCPSite(runner, host, 0)
    try:
        await site.start()
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
