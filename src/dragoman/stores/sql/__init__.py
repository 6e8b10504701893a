"""The store in a database. Several processes can use one database, and the data outlive the processes."""
