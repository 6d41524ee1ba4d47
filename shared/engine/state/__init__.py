"""The customers of one partition: stored form, entries, outputs, records in force."""
