"""HTTP/1.1 to providers: parser, connection, dialling, pool and client."""
