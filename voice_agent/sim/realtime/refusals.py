"""Why the server answers a client's event with `error`."""

from voice_agent.errors import PeerError


class ClientError(PeerError):
    """A client's event that is answered with `error` and changes nothing. It never leaves the package."""

    def __init__(self, code: str | None, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
