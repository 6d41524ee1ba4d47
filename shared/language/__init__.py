"""The language of marketers: the policy document, its conditions and triggers."""
