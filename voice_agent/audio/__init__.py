"""Sound as bytes: mu-law, the resampler, WAV files and levels. Pure; knows nothing of calls."""
