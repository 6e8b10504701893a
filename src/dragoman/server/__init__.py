"""The server for clients and operators: an ASGI application with endpoints, client keys, answers and streams;
and the HTTP server, which is uvicorn's with a protocol of our own.
"""
