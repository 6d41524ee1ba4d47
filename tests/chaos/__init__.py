"""Faults on the running product: what dies while the workload flows, and whether anything was lost, doubled or wrong."""
