"""The least a WSGI server can be asked to run: what it costs is the server's own."""


def app(environ, start_response):
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", "13")]
    start_response("200 OK", headers)
    return [b"Hello, World!"]
