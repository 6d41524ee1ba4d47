"""Effects in their order, state from changelogs and snapshots."""
