"""One adapter per provider behind one contract; they know wire formats and must not know the outbox."""
