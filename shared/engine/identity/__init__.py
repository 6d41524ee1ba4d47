"""Hand-over between the ids of one person, and splitting one off."""
