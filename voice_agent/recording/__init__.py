"""The recording of a call, the log of what was fed to its bridge: format, writer, reader, and what is derived."""
