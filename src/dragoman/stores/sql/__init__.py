"""The store in a database. Several processes can share it, and its data outlive them."""
