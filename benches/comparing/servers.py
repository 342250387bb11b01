"""Starts servers, speaks to them, stops them, and runs the load generator against them."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from . import host

OURS = "lockstep"
SERVER_CORE = 0
LOAD_CORE = 1


class Kind:
    """A server program with the arguments it is to be compared with."""

    def __init__(self, name, command, is_variant=False):
        self.name = name
        self.command = command
        self.is_variant = is_variant  # differs from another one in its I/O threads only

    @property
    def is_ours(self):
        return self.name.startswith(OURS)


def default_peers():
    """Redis from PATH, and Redis 8 and Valkey where the peers are installed; each with one and
    with two I/O threads."""
    folders = [Path.home() / ".cache/peers/bin"]
    if os.environ.get("PEERS"):
        folders.insert(0, Path(os.environ["PEERS"]) / "bin")
    found = [("redis-7", shutil.which("redis-server"))]
    for name, program in (("redis-8", "redis-server-8"), ("valkey-9", "valkey-server")):
        paths = [folder / program for folder in folders if (folder / program).exists()]
        found.append((name, str(paths[0]) if paths else shutil.which(program)))
    kinds = []
    for name, path in found:
        if path:
            kinds.append(Kind(name, [path]))
            kinds.append(Kind(name + "-io2", [path, "--io-threads", "2"], is_variant=True))
    return kinds


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Refused(Exception):
    """An error reply."""


class Client:
    """Just enough of a client: one command, one reply."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.stream = self.socket.makefile("rb")

    def close(self):
        self.stream.close()
        self.socket.close()

    def __call__(self, *args):
        parts = [str(arg).encode() for arg in args]
        request = b"*%d\r\n" % len(parts)
        request += b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self.socket.sendall(request)
        return self._reply()

    def _reply(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, text = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise Refused(text)
        if kind == b":":
            return int(text)
        if kind == b"$":
            return None if text == "-1" else self.stream.read(int(text) + 2)[:-2].decode()
        if kind == b"*":
            return [self._reply() for _ in range(int(text))]
        return text

    def info(self, section):
        lines = (self(*("INFO", section)) or "").splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def try_config(self, name, value):
        """Sets a parameter; returns whether the server has it."""
        try:
            self("CONFIG", "SET", name, value)
            return True
        except Refused:
            return False


class Server:
    """A running server of some kind with a folder of its own."""

    def __init__(self, kind, core=None, folder=None):
        self.kind = kind
        self.port = free_port()
        self.owns_folder = folder is None
        self.folder = folder or tempfile.mkdtemp(prefix="compare-")
        command = kind.command[:1] + ["--port", str(self.port), "--save", ""]
        command += ["--bind", "127.0.0.1", "--dir", self.folder] + kind.command[1:]
        pin = None if core is None else (lambda: os.sched_setaffinity(0, {core}))
        self.log = open(os.path.join(self.folder, "log"), "ab")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, stdin=subprocess.DEVNULL, preexec_fn=pin
        )
        self.pid = self.process.pid
        self.client = None

    def wait_ready(self, limit_s=300):
        """Waits until PING is answered; returns the seconds since the start of the process."""
        while True:
            try:
                self.client = self.client or Client(self.port)
                self.client("PING")
                return time.monotonic() - self.started
            except Refused:
                pass  # still loading
            except OSError:
                self.client = None
            if self.process.poll() is not None or time.monotonic() - self.started > limit_s:
                tail = Path(self.folder, "log").read_text(errors="replace")[-2000:]
                self.stop()
                raise RuntimeError(f"{self.kind.name} did not start:\n{tail}")
            time.sleep(0.002)

    def stop(self):
        if self.client:
            self.client.close()
            self.client = None
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.log.close()
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def settled_rss(self, limit_s=30):
        """The resident size once it no longer changes: tables go on moving after a fill."""
        deadline = time.monotonic() + limit_s
        last, still = host.rss_bytes(self.pid), 0
        while still < 3 and time.monotonic() < deadline:
            time.sleep(0.5)
            now = host.rss_bytes(self.pid)
            still = still + 1 if abs(now - last) < last / 1000 else 0
            last = now
        return last


class Load:
    """The load generator: `run` waits for its line, `begin` leaves it running."""

    def __init__(self, path, core):
        self.path = path
        self.core = core

    def begin(self, server, **options):
        command = [self.path, "--port", str(server.port), "--server-pid", str(server.pid)]
        for name, value in options.items():
            if value is not None:
                command += ["--" + name.replace("_", "-"), str(value)]
        core = self.core
        pin = None if core is None else (lambda: os.sched_setaffinity(0, {core}))
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=pin)

    def end(self, process, stop=False):
        """Waits for a load that was begun, or stops it; returns its figures by name."""
        if stop:
            process.send_signal(signal.SIGTERM)
        line = process.communicate()[0]
        if process.returncode != 0:
            raise RuntimeError("the load generator failed")
        figures = dict(pair.split("=", 1) for pair in line.split())
        if figures["errors"] != "0" or figures["lost"] != "0":
            raise RuntimeError(f"errors under load: {line}")
        return {name: float(value) for name, value in figures.items()}

    def run(self, server, **options):
        return self.end(self.begin(server, **options))

    def fill(self, server, keys, **options):
        self.run(server, mode="fill", keys=keys, pipeline=100, **options)
