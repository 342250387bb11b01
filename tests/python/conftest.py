"""Fixtures: servers on free ports and in folders of their own, killed whatever happens.

The server is the release build; SERVER=/usr/bin/redis-server runs the same tests against
another one, which is how an expectation is proved to be Redis's own.
"""

import os
import pathlib
import random
import signal
import socket
import subprocess
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PROGRAM = os.environ.get("SERVER", str(TARGET / "release" / "server"))

# redis-py tries a failed connection, a refused password too, ten times unless told not to.
NO_RETRY = Retry(NoBackoff(), 0)


def free_port():
    """A port nobody listens on, of those the system does not hand out by itself."""
    while True:
        port = random.randrange(12_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def wait_until(condition, what, seconds=20):
    """Asks until `condition()` is true; returns what it returned."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)
    return value


class Server:
    """A running server; `args` are given after its port and its folder."""

    def __init__(self, folder, *args):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.args = [str(arg) for arg in args]
        self.process = None
        self.start()

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [PROGRAM, "--port", str(self.port), "--dir", str(self.folder), *self.args],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.answers, f"{PROGRAM} answers; its log: {self.log()}", 60)

    def answers(self):
        assert self.process.poll() is None, f"{PROGRAM} has ended; its log: {self.log()}"
        try:
            with self.client(retry=NO_RETRY) as client:
                return client.ping()
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:  # not there yet, or still loading
            return False

    def client(self, **options):
        options.setdefault("decode_responses", True)
        return redis.Redis(port=self.port, **options)

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def signal(self, number):
        self.process.send_signal(number)

    def wait_for_exit(self, seconds=30):
        return self.process.wait(seconds)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)  # ends a stopped process too
            self.process.wait()


@pytest.fixture
def start_server(tmp_path):
    """`start_server(*args)` starts one more server; all end with the test."""
    servers = []

    def start(*args):
        folder = tmp_path / f"server-{len(servers)}"
        folder.mkdir()
        servers.append(Server(folder, *args))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def server(start_server):
    return start_server("--save", "")


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(server, request):
    """A client that decodes replies, once for each protocol."""
    with server.client(protocol=request.param) as client:
        yield client
