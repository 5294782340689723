"""A call in progress: the pump, its two socket legs, admission, and the only clock."""
