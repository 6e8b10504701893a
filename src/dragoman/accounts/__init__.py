"""The keys by which clients identify themselves to the gateway, and what the owner of each key may call."""
