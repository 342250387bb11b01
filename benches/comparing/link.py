"""A link of a bounded bandwidth, in front of a server."""

import socket
import threading
import time

BUFFER_BYTES = 16 * 1024

# What the system may hold between the server and us: a real link has no megabytes either.
RECEIVE_BUFFER_BYTES = 256 * 1024


class Link:
    """Passes connections on to a port; what comes from there takes its time."""

    def __init__(self, port, bytes_per_s):
        self.onward_port = port
        self.bytes_per_s = bytes_per_s
        self.passed_bytes = 0
        self.sockets = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for each in [self.listener, *self.sockets]:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it is closed already
            each.close()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return  # the link has ended
            far = socket.socket()
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
            far.connect(("127.0.0.1", self.onward_port))
            self.sockets += [near, far]
            for source, target, slowly in ((near, far, False), (far, near, True)):
                args = (source, target, slowly)
                threading.Thread(target=self._pump, args=args, daemon=True).start()

    def _pump(self, source, target, slowly):
        # The moment at which the link is free again; what was slept too long is made up for.
        free_at = time.monotonic()
        try:
            while data := source.recv(BUFFER_BYTES):
                if slowly:
                    self.passed_bytes += len(data)
                    now = time.monotonic()
                    free_at = max(free_at, now - 0.1) + len(data) / self.bytes_per_s
                    if free_at > now:
                        time.sleep(free_at - now)
                target.sendall(data)
        except OSError:
            pass  # either side has gone
        for each in (source, target):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
