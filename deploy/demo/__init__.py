"""A shop to look at: seeded customers, history and season, lived on the scenario clock through the real stack."""
