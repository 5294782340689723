"""The socket on which the server listens: opened here, or taken over from whoever has opened it."""

import socket

from voice_agent.errors import CommandError


def listen(host: str, port: int) -> socket.socket:
    """Open the server's socket; raises `CommandError`."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        # Python adds the address once more to the system's own words.
        why = (error.strerror or str(error)).partition(" (while")[0]
        raise CommandError(
            f"cannot listen on {host}:{port} ({why}): stop what listens there, or set HOST and PORT"
        ) from None


def taken_over(descriptor: int) -> socket.socket:
    """Take a listening socket that another program has opened; raises `CommandError`."""
    try:
        taken = socket.socket(fileno=descriptor)
        taken.getsockname()
    except (OSError, ValueError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise CommandError(f"--fd {descriptor} is no socket ({why})") from None
    if not taken.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        taken.detach()
        raise CommandError(f"--fd {descriptor} does not listen: open it with backlog, e.g. by systemd's ListenStream=")
    return taken
