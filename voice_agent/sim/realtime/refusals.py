"""Why the server answers a client's event with `error`."""

from voice_agent.errors import PeerError


class ClientError(PeerError):
    """A client's event that is answered with `error` and changes nothing. It never leaves the package."""

    def __init__(self, code: str | None, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param

    def wire(self, client_event_id: str | None = None) -> dict[str, str | None]:
        """Show the error object, of an event as of an HTTP answer."""
        shown = {"type": "invalid_request_error", "code": self.code, "message": self.message, "param": self.param}
        return shown | {"event_id": client_event_id}
