"""The border: everything a shop sends is checked, identified, sealed and published; nothing is decided here."""
