"""The contract between the services: records, topics, identities, time. Knows no service."""
