"""Kafka clients and the few ways in which every service uses them."""
