"""Records of one partition, one customer at a time."""
