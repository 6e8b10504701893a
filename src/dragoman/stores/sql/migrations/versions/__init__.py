"""The migrations, oldest first by number. A released migration must not be changed."""
