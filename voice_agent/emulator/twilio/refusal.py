"""How Twilio's REST API says no: an HTTP status and a JSON body with its own error code.

https://www.twilio.com/docs/usage/twilios-response#response-formats-exceptions
"""

from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse

UNAUTHORIZED = 20003
NOT_FOUND = 20404
INVALID_PARAMETER = 20001
NOT_IN_STATE = 21220


class Refused(Exception):  # noqa: N818 - what is refused is the request, not our error
    """Twilio's answer to a request that it does not grant."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.content: dict[str, Any] = {
            "code": code,
            "message": message,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        }
        self.status = status


def not_found(request: Request) -> Refused:
    """Make the answer for what does not exist."""
    return Refused(404, NOT_FOUND, f"The requested resource {request.url.path} was not found")


async def refusal(_: Request, refused: Exception) -> JSONResponse:
    """Turn a `Refused` into its answer."""
    assert isinstance(refused, Refused), "registered for nothing else"
    return JSONResponse(refused.content, refused.status)


async def no_resource(request: Request, _: Exception) -> JSONResponse:
    """Answer for an address that no resource has."""
    return await refusal(request, not_found(request))
