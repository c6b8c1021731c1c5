"""A publisher on the loopback: ranges, errors, connections that break off."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Publisher:
    """`files` by path; `broken[path]` answers break off half-way; `status[path]` overrides;
    `slow_s` for each piece."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.broken: dict[str, int] = {}
        self.status: dict[str, int] = {}
        self.headers: dict[str, str] = {}
        self.ranges, self.slow_s = True, 0.0
        self.seen: list[tuple[str, str | None]] = []


@contextmanager
def serving(publisher: Publisher) -> Iterator[str]:
    """The address of a server that runs inside the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.close_connection = True
            wanted = self.headers.get("Range")
            publisher.seen.append((self.path, wanted))
            content = publisher.files.get(self.path)
            status = publisher.status.get(self.path, 200 if content is not None else 404)
            if status != 200 or content is None:
                self.send_error(status)
                return
            start = (
                int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and publisher.ranges else 0
            )
            if start >= len(content) and start:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            for name, value in publisher.headers.items():
                self.send_header(name, value)
            self.end_headers()
            end = len(content)
            if publisher.broken.get(self.path, 0):
                publisher.broken[self.path] -= 1
                end = start + (len(content) - start) // 2
            for begin in range(start, end, 2**16):
                self.wfile.write(content[begin : min(begin + 2**16, end)])
                threading.Event().wait(publisher.slow_s)

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:  # a client that was killed
            pass

    with Quiet(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
