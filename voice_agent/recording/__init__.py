"""The recording of a call: the log of what was fed to its bridge. Format, writer, reader, and what is derived from it."""
