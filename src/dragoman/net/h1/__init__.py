"""HTTP/1.1 to providers: parser, connection, connecting, pool and client. Only `net.transport` uses it."""
