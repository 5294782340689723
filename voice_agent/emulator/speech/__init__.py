"""Hearing and speaking on this machine's processor, with models that come inside packages of the Python index."""
