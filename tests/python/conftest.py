"""Fixtures: servers on free ports and in folders of their own, killed whatever happens.

The server is the release build; SERVER=/usr/bin/redis-server runs the same tests against
another one, which is how an expectation is proved to be Redis's own.
"""

import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from link import Link

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PROGRAM = os.environ.get("SERVER", str(TARGET / "release" / "server"))

# redis-py tries a failed connection, a refused password too, ten times unless told not to.
NO_RETRY = Retry(NoBackoff(), 0)


# Where tests run at once, each process has ports of its own: two that tried the same one at
# the same time would each find it free.
FIRST_PORT = 12_000 + 2_000 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


def free_port():
    """A port nobody listens on, of those the system does not hand out by itself."""
    while True:
        port = FIRST_PORT + random.randrange(2_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                pass


def needed(program):
    """The path of a program; without it the test is skipped, in CI it fails."""
    path = shutil.which(program)
    if not path:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{program} is missing")
    return path


def wait_until(condition, what, seconds=60):
    """Asks until `condition()` is true; returns what it returned. `what` may be a function."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.02)
    return value


class Server:
    """A server, once it is started; `args` are given after its port and its folder.

    With `lines`, the lines of a configuration file, it is started with that file, which it
    may then write itself.
    """

    def __init__(self, folder, *args, program=PROGRAM, lines=None):
        self.folder = pathlib.Path(folder)
        self.port = free_port()
        self.program = str(program)
        self.args = ["--port", self.port, "--dir", self.folder]
        if lines is not None:
            self.file = self.folder / "server.conf"
            own = [f"port {self.port}", f"dir {self.folder}"]
            self.file.write_text("\n".join([*own, *lines]) + "\n")
            self.args = [self.file]
        self.args = [str(arg) for arg in (*self.args, *args)]
        self.process = None

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                [self.program, *self.args], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self.answers, lambda: f"{self.program} answers; its log: {self.log()}")

    def answers(self):
        assert self.process.poll() is None, f"{self.program} has ended; its log: {self.log()}"
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


def is_up(client):
    try:
        return client.info("replication").get("master_link_status") == "up"
    except redis.ConnectionError:
        return False


def wait_for_link(follower):
    with follower.client() as client:
        wait_until(lambda: is_up(client), lambda: f"the link is up; log: {follower.log()}")


@pytest.fixture
def start_server(tmp_path):
    """`start_server(*args)` starts one more server; all end with the test."""
    servers = []

    def start(*args, **options):
        folder = tmp_path / f"server-{len(servers)}"
        folder.mkdir()
        servers.append(Server(folder, *args, **options))
        servers[-1].start()
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


@pytest.fixture
def link():
    """`link(port)` opens a proxy; all are closed with the test."""
    links = []

    def open_link(port):
        links.append(Link(port))
        return links[-1]

    yield open_link
    for each in links:
        each.close()
