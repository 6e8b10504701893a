"""The store in a database. Several processes can share it, and it stays when a process ends."""
