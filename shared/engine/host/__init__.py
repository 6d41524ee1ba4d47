"""Processes that run folds on Kafka."""
