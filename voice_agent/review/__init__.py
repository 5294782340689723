"""What a recorded call was: its sound, its course, and what may be shown of it. Made from its file and today's code."""
