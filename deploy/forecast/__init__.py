"""The former place of services.rehearsal.forecast."""
