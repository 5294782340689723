"""Running one tool call within its limits."""
