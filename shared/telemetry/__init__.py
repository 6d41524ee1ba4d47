"""Health and metrics of a process: liveness, readiness and Prometheus series over HTTP on a port of its own."""
