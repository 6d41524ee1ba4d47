"""The product's own Kafka, PostgreSQL and supervisor: knows how to run things on one machine, not what they do."""
