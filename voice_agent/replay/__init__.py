"""Feeding a recording to today's core."""
