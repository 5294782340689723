"""The tool of `reminder.yaml`: what people answered, in a file for the practice's desk."""

import csv
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

Answer = Literal["comes", "does not come", "another time", "somebody else"]


def note_answer(answer: Answer, remark: str = "") -> dict[str, str]:
    """Note what the person who was called has answered.

    Args:
        answer: Whether they come.
        remark: What the practice should know, in a few words.
    """
    path = Path(os.environ.get("DATA") or "data") / "reminders.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as file:
        csv.writer(file).writerow([datetime.now(UTC).isoformat(timespec="seconds"), answer, " ".join(remark.split())])
    return {"noted": answer}
