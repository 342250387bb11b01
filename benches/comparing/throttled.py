"""Full syncs over a slow link while the leader is written to."""

import contextlib
import os
import signal
import threading
import time

from . import host
from .link import Link
from .servers import Refused, Server

LINK_BYTES_PER_S = 6_000_000
KEYS = 1_000_000
KEYS_BIG = 5_000_000

# 3 MB/s: a SET of 16 bytes and 32 is 75 bytes of the stream.
SET_BYTES = 75
RATE = 3_000_000 // SET_BYTES
RATE_BIG = 60_000

OUTPUT_LIMIT = "replica 8mb 8mb 60"

# A follower that lags no further behind than this is there.
NEAR_BYTES = 512 * 1024

QUIET_S = 3


def throttled_sync(session):
    """Writes that never end, at half of what the link carries. Another server beside it takes
    the same and no part in the sync: what its clients wait for is the machine."""
    keys = session.scaled(KEYS)
    title = f"{keys / 1e6:g}M keys over {LINK_BYTES_PER_S / 1e6:g} MB/s, {RATE} SET/s"
    measures = {
        "seconds": session.measure(f"{title}: until caught up", "s"),
        "ratio": session.measure(f"{title}: that to the bytes of one attempt", "x"),
        "attempts": session.measure(f"{title}: full syncs", "times"),
        "growth": session.measure(f"{title}: memory added", "MB"),
        "quiet_p99": session.measure(f"{title}: p99 without a follower", "ms"),
        "p99": session.measure(f"{title}: p99 until caught up", "ms"),
        "beside_quiet_p99": session.measure(f"{title}: p99 of a server beside it", "ms"),
        "beside_p99": session.measure(f"{title}: p99 of that until caught up", "ms"),
        "p99_ratio": session.measure(f"{title}: p99 to that of the server beside it", "x"),
    }
    how = {"mode": "set", "keys": keys, "rate": RATE, "seconds": 1000}
    kinds = session.plain_kinds
    with (
        session.running(kinds, keys=keys) as servers,
        session.running(kinds, keys=keys) as others,
    ):

        def visit(name):
            return sync_under_load(session, servers[name], how, limit_s=40, beside=others[name])

        session.paired(title, servers, visit, measures)


def throttled_sync_big(session):
    """As many writes as there are keys, faster than the link carries them."""
    keys = session.scaled(KEYS_BIG)
    title = f"{keys / 1e6:g}M keys over {LINK_BYTES_PER_S / 1e6:g} MB/s, as many SETs"
    measures = {
        "seconds": session.measure(f"{title}: until caught up", "s"),
        "ratio": session.measure(f"{title}: that to the bytes of one attempt", "x"),
        "attempts": session.measure(f"{title}: full syncs", "times"),
        "growth": session.measure(f"{title}: memory added", "MB"),
    }
    for measure in measures.values():
        measure.rounds.append({})
    how = {"mode": "set", "keys": keys, "rate": RATE_BIG, "ops": keys}
    for kind in session.plain_kinds:
        session.note(f"  throttled sync of {kind.name}")
        with session.running([kind], keys=keys) as servers:
            result = sync_under_load(session, servers[kind.name], how, limit_s=240)
        for key, measure in measures.items():
            measure.rounds[-1][kind.name] = result[key]


def sync_under_load(session, leader, how, limit_s, beside=None):
    """One follower's way through the link. Where it does not end, the limit is the result."""
    leader.client.try_config("repl-diskless-sync-delay", "0")
    leader.client.try_config("client-output-buffer-limit", OUTPUT_LIMIT)
    syncs = int(leader.client.info("stats")["sync_full"])
    written_to = [leader] if beside is None else [leader, beside]
    load = session.load(False)
    with Writers(load, written_to, {**how, "seconds": QUIET_S, "ops": None}) as quiet:
        quiet.end()
    with Writers(load, written_to, how) as busy:
        with Link(leader.port, LINK_BYTES_PER_S) as link, Server(leader.kind) as follower:
            before = host.rss_bytes(leader.pid)
            with Peak(leader.pid) as peak:
                began, start = time.monotonic(), offset_of(leader)
                busy.begin_anew()
                follower.client("REPLICAOF", "127.0.0.1", link.port)
                wait_near(leader, follower, began + limit_s)
                seconds = time.monotonic() - began
            written = offset_of(leader) - start
            busy.end(stop=True)
    data = snapshot_bytes(leader)
    result = {
        "seconds": seconds,
        "ratio": seconds / ((data + written) / LINK_BYTES_PER_S),
        "attempts": int(leader.client.info("stats")["sync_full"]) - syncs,
        "growth": (peak.bytes - before) / 1e6,
        "quiet_p99": quiet.p99_ms[0],
        "p99": busy.p99_ms[0],
    }
    if beside is not None:
        result["beside_quiet_p99"] = quiet.p99_ms[1]
        result["beside_p99"] = busy.p99_ms[1]
        result["p99_ratio"] = busy.p99_ms[0] / busy.p99_ms[1]
    return result


class Writers:
    """The same load on several servers."""

    def __init__(self, load, servers, how):
        self.load = load
        self.processes = [load.begin(server, **how) for server in servers]
        self.p99_ms = []

    def begin_anew(self):
        """Forgets the figures so far."""
        for process in self.processes:
            process.send_signal(signal.SIGUSR1)

    def end(self, stop=False):
        figures = [self.load.end(process, stop) for process in self.processes]
        self.p99_ms = [line["p99_us"] / 1000 for line in figures]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()


def snapshot_bytes(server):
    # A peer's child that was to serve a follower may still be about to end.
    deadline = time.monotonic() + 30
    while True:
        try:
            server.client("SAVE")
            break
        except Refused:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    return os.path.getsize(os.path.join(server.folder, "dump.rdb"))


def offset_of(server):
    return int(server.client.info("replication")["master_repl_offset"])


def wait_near(leader, follower, deadline):
    """Waits until the follower has caught up with writes that go on, or with all of them."""
    while time.monotonic() < deadline:
        with contextlib.suppress(Refused):  # loading
            mine = follower.client.info("replication")
            if mine.get("master_link_status") == "up":
                lag = offset_of(leader) - int(mine["slave_repl_offset"])
                if lag < NEAR_BYTES:
                    return
        time.sleep(0.02)


class Peak:
    """The largest resident size of a process meanwhile."""

    def __init__(self, pid):
        self.pid = pid
        self.bytes = host.rss_bytes(pid)
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self.over.wait(0.05):
            self.bytes = max(self.bytes, host.rss_bytes(self.pid))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
