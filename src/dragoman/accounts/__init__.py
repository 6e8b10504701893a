"""Who may call: the keys of clients."""
