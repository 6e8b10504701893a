"""What lasts between requests: protocols, and keeping in memory."""
