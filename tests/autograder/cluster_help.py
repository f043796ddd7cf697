"""A way to a scheduler that can be cut without anybody noticing."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def relay(address: str) -> Iterator[tuple[str, threading.Event]]:
    """An address on the way to `address`, and an event: once it is set all that is sent is lost, and nothing closes."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    lost = threading.Event()
    with contextlib.ExitStack() as sockets:
        server = sockets.enter_context(socket.create_server(("127.0.0.1", 0)))

        def pass_on(source: socket.socket, target: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(1 << 16):
                    if not lost.is_set():
                        target.sendall(data)
                target.shutdown(socket.SHUT_RDWR)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    near = sockets.enter_context(server.accept()[0])
                    far = sockets.enter_context(socket.create_connection((host, int(port))))
                    for two in ((near, far), (far, near)):
                        threading.Thread(target=pass_on, args=two, daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield f"tcp://127.0.0.1:{server.getsockname()[1]}", lost
        server.shutdown(socket.SHUT_RDWR)
