"""The oracle: what Huitou must have answered, computed a second time from the log alone by deliberately plain code."""
