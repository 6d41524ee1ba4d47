"""The same job on our host and on others, in one run on one broker."""
