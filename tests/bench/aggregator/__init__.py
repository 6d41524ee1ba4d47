"""One small job on several hosts: per customer a count, a sum and the first and last instant, and an answer to every event."""
