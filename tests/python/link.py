"""A TCP proxy between a leader and a follower: cut, stalled, slow or far away at will."""

import queue
import socket
import threading
import time

# What waits in a direction before its sender feels it, in pieces.
PIECES_MAX = 16
PIECE_BYTES = 65536


class Link:
    """A proxy to `port`.

    `allow` says if it lets anyone in. `delay_s` is how long a byte takes, each way;
    `bytes_per_s` how many go through a direction in a second (None: all). While `stalled`
    nothing goes through, though the connections stand.
    """

    def __init__(self, port):
        self.target = port
        self.allow = True
        self.stalled = False
        self.delay_s = 0.0
        self.bytes_per_s = None
        self.pairs = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        in_background(self.accept)

    def accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return  # closed
            if not self.allow:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:  # nobody listens there at the moment
                near.close()
                continue
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                pieces = queue.Queue(PIECES_MAX)
                in_background(self.take, source, pieces)
                in_background(self.give, pieces, sink)

    def take(self, source, pieces):
        while True:
            rate = self.bytes_per_s
            piece_bytes = min(PIECE_BYTES, max(1, rate // 50)) if rate else PIECE_BYTES
            try:
                piece = source.recv(piece_bytes)
            except OSError:
                piece = b""
            pieces.put((time.monotonic() + self.delay_s, piece))
            if not piece:
                return
            if rate:
                time.sleep(len(piece) / rate)

    def give(self, pieces, sink):
        """Hands on what was taken, its end too; takes all there is even if nobody wants it."""
        is_open = True
        while True:
            due, piece = pieces.get()
            while (wait_s := due - time.monotonic()) > 0 or self.stalled:
                time.sleep(max(wait_s, 0.005))
            if is_open:
                try:
                    sink.sendall(piece) if piece else sink.shutdown(socket.SHUT_RDWR)
                except OSError:
                    is_open = False
            if not piece:
                return

    def cut(self):
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def close(self):
        self.stalled = False
        self.listener.close()
        self.cut()


def in_background(function, *args):
    threading.Thread(target=function, args=args, daemon=True).start()
