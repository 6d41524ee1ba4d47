"""A stand-in for the providers that speaks their wire formats on loopback; it knows no service of ours."""
