"""The pure cores of the stand-ins: a carrier, a Realtime server, and a world that joins them to a bridge.

All of them run on a clock that is an argument.
"""
