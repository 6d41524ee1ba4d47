"""Webhooks of the systems a shop already runs: one file per provider, each a signature check and a pure mapping."""
