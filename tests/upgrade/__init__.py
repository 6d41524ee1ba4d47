"""A data directory that another commit's own processes wrote starts on this build, and the oracle judges the whole log."""
