"""The migrations, oldest first. What is in one stays as it is."""
