"""Histories of people with several ids through the three real folds, and what a batch makes of them."""
