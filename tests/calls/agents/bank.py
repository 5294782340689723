"""Tools of bank.yaml."""


def check_pin(pin: str) -> dict[str, str | bool]:
    """Check the caller's PIN."""
    return {"pin": pin, "right": pin == "4071"}
