"""The core: a call as a value. Events go in, commands come out, time is an argument; no I/O, clock, task or logger."""
