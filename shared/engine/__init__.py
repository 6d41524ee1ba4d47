"""The engine: a fold over a partition and the hosts that run it (docs/architecture.md)."""
