"""A web server on loopback that does what a test says: gives files, stalls, breaks off, lies."""

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Behaviour = Callable[[BaseHTTPRequestHandler], None]

PATIENCE = 20.0  # seconds, after which the server gives up on a client that does


class Web:
    """What paths do, one behaviour a request, the last of them again and again; and what was asked for."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.pages: dict[str, list[Behaviour]] = {}
        self.asked: list[tuple[str, str | None]] = []  # path, and the range
        self.is_over = threading.Event()

    def put(self, path: str, *behaviours: Behaviour) -> str:
        """The address of a path from now on."""
        self.pages[path] = list(behaviours)
        return self.address + path

    def stall(self, content: bytes, size: int) -> Behaviour:
        """Announces `size` bytes, sends some, then nothing until the test is over."""

        def behave(handler: BaseHTTPRequestHandler) -> None:
            begin(handler, 200, {"Content-Length": size})
            handler.wfile.write(content)
            self.is_over.wait(PATIENCE)

        return behave

    def drip(self, size: int) -> Behaviour:
        """Sends a byte now and then, so that no single wait is long."""

        def behave(handler: BaseHTTPRequestHandler) -> None:
            begin(handler, 200, {"Content-Length": size})
            for _ in range(size):
                handler.wfile.write(b"x")
                if self.is_over.wait(0.05):
                    return

        return behave


@contextmanager
def served() -> Iterator[Web]:
    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE

        def do_GET(self) -> None:
            web.asked.append((self.path, self.headers["Range"]))
            behaviours = web.pages[self.path]
            (behaviours.pop(0) if len(behaviours) > 1 else behaviours[0])(self)
            self.close_connection = True

        def log_message(self, *_arguments: object) -> None:
            """Nobody reads it."""

    class Server(ThreadingHTTPServer):
        daemon_threads = False  # closing the server waits for them

        def handle_error(self, *_arguments: object) -> None:
            """A client that has had enough hangs up, and what is written to it then fails."""

    with Server(("127.0.0.1", 0), Handler) as server:
        web = Web(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield web
        finally:
            web.is_over.set()
            server.shutdown()
            thread.join()


def begin(handler: BaseHTTPRequestHandler, status: int, headers: dict[str, object]) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, str(value))
    handler.end_headers()


def gives(content: bytes) -> Behaviour:
    """A file, or the part of it that is asked for."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
        if asked is None:
            return gives_whole(content)(handler)
        first, size = int(asked[1]), len(content)
        if first >= size:
            return answers(416)(handler)
        begin(handler, 206, {"Content-Length": size - first, "Content-Range": f"bytes {first}-{size - 1}/{size}"})
        handler.wfile.write(content[first:])
        return None

    return behave


def gives_whole(content: bytes) -> Behaviour:
    """A file from its beginning, whatever is asked for."""
    return breaks_off(content, len(content))


def breaks_off(content: bytes, size: int) -> Behaviour:
    """Announces `size` bytes, and sends fewer."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        begin(handler, 200, {"Content-Length": size})
        handler.wfile.write(content)

    return behave


def gives_chunks(*chunks: bytes, ends: bool = True) -> Behaviour:
    """A file of unannounced length, ended as it should or not."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.protocol_version = "HTTP/1.1"
        begin(handler, 200, {"Transfer-Encoding": "chunked"})
        for chunk in chunks:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        handler.wfile.write(b"0\r\n\r\n" if ends else b"")

    return behave


def gives_part(content: bytes, content_range: str) -> Behaviour:
    """A part of a file, whatever is asked for."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        begin(handler, 206, {"Content-Length": len(content), "Content-Range": content_range})
        handler.wfile.write(content)

    return behave


def answers(status: int, **headers: object) -> Behaviour:
    """No file."""
    return lambda handler: begin(handler, status, {"Content-Length": 0, **headers})


def talks(content: bytes) -> Behaviour:
    """Something that is no HTTP."""

    def behave(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(content)

    return behave
