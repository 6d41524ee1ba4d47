"""Everything that must not hurt ingest, sent to a running one, and the sums that prove it did not."""
