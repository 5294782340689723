"""Made-up calls: everything of a call as data, drawn from a seed, held in the simulated world, made smaller."""
