"""A Kafka in memory and in virtual time, for the host's real code: every history comes from one seed."""
