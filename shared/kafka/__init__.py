"""Kafka for every process: a record in every partition, the lag of groups, a topic kept as PostgreSQL tables."""
