"""The migrations, the oldest first. A released migration must not be changed."""
