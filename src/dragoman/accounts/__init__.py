"""The keys of clients, and what each may call."""
