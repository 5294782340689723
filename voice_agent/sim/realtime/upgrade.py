"""What the services answer when they refuse the upgrade: status, headers and JSON, in the words of each vendor.

Azure's and OpenAI's bodies differ in shape; clients that read one often stumble over the other. Wordings are those that
users quote in issue trackers; `OpperationNotSupported` is Azure's spelling.
"""

import msgspec

STATUSES = (400, 401, 403, 404, 429, 500, 503)
"""The refusals that are known."""

_AZURE = {
    400: (
        "OpperationNotSupported",
        (
            "The realtime operation does not work with the specified model, {model}. Please choose different model and "
            "try again. You can learn more about which models can be used with each operation here: "
            "https://go.microsoft.com/fwlink/?linkid=2197993."
        ),
    ),
    401: (
        "401",
        (
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for "
            "an active subscription and use a correct regional API endpoint for your resource."
        ),
    ),
    403: ("403", "Access denied due to Virtual Network/Firewall rules."),
    404: (
        "DeploymentNotFound",
        (
            "The API deployment for this resource does not exist. If you created the deployment within the last 5 "
            "minutes, please wait a moment and try again."
        ),
    ),
    429: (
        "429",
        (
            "Requests to the Realtime API have exceeded call rate limit of your current OpenAI S0 pricing tier. Please "
            "retry after {seconds} seconds."
        ),
    ),
    500: ("InternalServerError", "The server had an error while processing your request. Sorry about that!"),
    503: ("ServiceUnavailable", "The service is temporarily unable to process your request. Please try again later."),
}

_OPENAI = {
    400: ("invalid_request_error", "invalid_model", 'Model "{model}" is not supported in realtime mode.'),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "model_not_found", "Project does not have access to model `{model}`."),
    404: (
        "invalid_request_error",
        "model_not_found",
        "The model `{model}` does not exist or you do not have access to it.",
    ),
    429: (
        "requests",
        "rate_limit_exceeded",
        "Rate limit reached for {model} on requests per min (RPM). Please try again in {seconds}s.",
    ),
    500: ("server_error", None, "The server had an error while processing your request. Sorry about that!"),
    503: ("server_error", None, "The server is currently overloaded with other requests. Please try again later."),
}


class UpgradeRefusal(msgspec.Struct, frozen=True):
    """An HTTP answer instead of the upgrade."""

    status: int
    headers: dict[str, str]
    body: str
    """JSON."""


def refuse_upgrade(status: int, *, azure: bool, model: str, retry_after_s: int) -> UpgradeRefusal:
    """Write the answer for one of `STATUSES`. `retry_after_s` counts for 429 and 503."""
    words = {"model": model, "seconds": str(retry_after_s)}
    error: dict[str, str | None]
    if azure:
        azure_code, message = _AZURE[status]
        error = {"code": azure_code, "message": message.format(**words)}
    else:
        error_type, code, message = _OPENAI[status]
        error = {"message": message.format(**words), "type": error_type, "param": None, "code": code}
    headers = {"Retry-After": str(retry_after_s)} if status in (429, 503) else {}
    return UpgradeRefusal(status, headers, msgspec.json.encode({"error": error}).decode())
