"""Sends each outreach command once, over the channel it names, and reports what became of it."""
