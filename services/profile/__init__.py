"""The profile service: folds a customer's facts into what the shop knows of him; knows no other service."""
