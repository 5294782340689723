"""Load for a bridge: callers and a scripted model around it, in coded audio, and the account of what it did to it.

Callers and model live in one process and read one clock, so that every frame's way is measured exactly, and the bridge
alone is what costs. They are cheap, and say when they were late themselves: then they were the limit, not the bridge.
"""
