"""Dies once at every effect of the chain and looks whether anything shows: the engine in memory, the notifier on its database."""
