"""Where each customer stands: stage, sleep warning, RFM class; each change at its own instant, exactly once."""
