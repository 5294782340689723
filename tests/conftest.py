"""What holds for every test: property tests have no time limit an example, for a busy machine is not a failure."""

from hypothesis import HealthCheck, settings

settings.register_profile("voice-agent", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("voice-agent")

collect_ignore_glob = ["recording/samples/*"]
"""Samples of the format, read by `recording/test_format_samples.py`: they stay as they are, whatever a bridge does."""
