"""Both wires in both directions: the only code that speaks JSON to a peer. Pure: no I/O, no clock."""
