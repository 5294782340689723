"""What is known of a call before it is answered: the caller, the hour."""

from datetime import UTC, datetime

from tests.calls.scenes.endings import goodbye
from tests.calls.scenes.stage import Scene

CUSTOMERS = "http://customers.example"


LOOKED_UP = f"""\
variables: {{name: dear caller}}
greeting: "Alder Books. Hello {{{{ name }}}}, how can I help?"
lookup:
  url: {CUSTOMERS}/callers/{{{{ caller }}}}
  allow_private: true
  variables: {{name: customer.name}}"""


ON_WEEKDAYS = """\
timezone: America/Los_Angeles
hours: {open: {monday-friday: "09:00-17:00"}, closed: {agent: night}}"""


A_SUNDAY = datetime(2026, 11, 29, 20, tzinfo=UTC)


SCENES = {
    "looked-up": Scene(play=goodbye, agent="front", more=LOOKED_UP, customer={"name": "Ana"}),
    "closed-hours": Scene(play=goodbye, agent="front", more=ON_WEEKDAYS, at=A_SUNDAY),
}
