"""Where what lasts between requests is kept: in this process, or in a database."""
