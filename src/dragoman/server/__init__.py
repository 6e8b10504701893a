"""The server for clients: an ASGI application with endpoints, client keys, answers, streams; and uvicorn."""
