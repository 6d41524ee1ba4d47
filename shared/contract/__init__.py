"""Everything that travels between the services: topics, records, identities."""
