"""The tests of `benches/compare`, one function each; TESTS at the end names them."""

import contextlib
import shutil
import signal
import statistics
import time

from . import host
from .servers import LOAD_CORE, Refused, Server
from .throttled import throttled_sync, throttled_sync_big
from .types import types, types_memory

KEYS_SMALL = 1_000_000
KEYS_BIG = 5_000_000
KEYS_MEMORY = (3_000_000, 5_000_000, 7_000_000)
KEYS_APPLY = 2_000_000
# More than any server takes for one.
BACKED_BYTES_PER_KEY = 128

# Whether a follower can be read is asked so often: a client that asks without a rest takes a
# core of those that load.
ASKED_EVERY_S = 0.002
RATE_DURING_BGSAVE = 30_000
TTL_S = 1_000_000


# Closed loop: CPU, throughput, latency.


def cpu(session):
    pinned = not session.options.unpinned
    wanted = {"server_us", "ops_per_s"}
    if "latency" in session.options.tests and pinned:
        wanted |= {"p50_us", "p99_us"}
    closed_loop(session, pinned, wanted)


def ops(session):
    closed_loop(session, False, {"server_us", "ops_per_s", "p99_us"})


def latency(session):
    pinned = not session.options.unpinned
    if not ("cpu" in session.options.tests and pinned):
        closed_loop(session, pinned, {"p50_us", "p99_us"})


def closed_loop(session, pinned, wanted):
    options = session.options
    keys = session.scaled(KEYS_SMALL)
    where = "" if pinned else ", cores shared"
    load = session.load(pinned)
    # I/O threads on the core of their server would only spin in its way.
    kinds = session.plain_kinds if pinned else session.kinds
    with session.running(kinds, pinned, keys) as servers:
        for pipeline in options.pipelines:
            for mode in ("get", "set"):
                title = f"{mode.upper()} pipeline {pipeline}{where}"

                def visit(name):
                    figures = load.run(
                        servers[name],
                        mode=mode,
                        keys=keys,
                        pipeline=pipeline,
                        connections=options.connections,
                        value_bytes=options.value_bytes,
                        seconds=options.seconds,
                    )
                    if figures["misses"]:
                        raise RuntimeError(f"{name} lost keys")
                    figures["ops_per_s"] /= 1000
                    return figures

                measures = {}
                for key, what, unit, less in (
                    ("server_us", "server CPU", "us/op", True),
                    ("ops_per_s", "throughput", "kops/s", False),
                    ("p50_us", "p50", "us", True),
                    ("p99_us", "p99", "us", True),
                ):
                    if key in wanted:
                        measures[key] = session.measure(f"{title}: {what}", unit, less)
                pids = [server.pid for server in servers.values()]
                session.paired(title, servers, visit, measures, pids)


# Memory.


def memory(session):
    shapes = [session.scaled(keys) for keys in KEYS_MEMORY]
    middle = shapes[1]
    titles = [f"RSS per key, {keys / 1e6:g}M keys, 16 B + 32 B" for keys in shapes]
    titles += [
        "RSS per key, average of these",
        f"RSS per key, {middle / 1e6:g}M keys, after a restart",
        f"RSS per key, {middle / 1e6:g}M keys, with TTL",
        f"RSS per key, {middle / 1e6:g}M keys, 16 B + 100 B",
    ]
    measures = [session.measure(title, "bytes") for title in titles]
    for _ in range(session.options.memory_rounds):
        for measure in measures:
            measure.rounds.append({})
        for kind in session.plain_kinds:
            session.note(f"  memory of {kind.name}")
            for measure, value in zip(measures, memory_of(session, kind, shapes)):
                measure.rounds[-1][kind.name] = value


def memory_of(session, kind, shapes):
    """Bytes a key: at each number of keys, their average, restarted, with TTL, 100 B."""
    load = session.load(False)
    middle = shapes[1]
    results = []
    with Server(kind) as server:
        empty = server.settled_rss()
        filled = 0
        for keys in shapes:
            load.fill(server, keys - filled, first=filled)
            filled = keys
            results.append((server.settled_rss() - empty) / keys)
            if keys == middle:
                server.client("SAVE")
        results.append(sum(results) / len(results))
        with Server(kind, folder=server.folder) as restarted:
            if restarted.client("DBSIZE") != middle:
                raise RuntimeError(f"{kind.name} lost keys over a restart")
            results.append((restarted.settled_rss() - empty) / middle)
    for shape in ({"ttl": TTL_S}, {"value_bytes": 100}):
        with Server(kind) as server:
            empty = server.settled_rss()
            load.fill(server, middle, **shape)
            results.append((server.settled_rss() - empty) / middle)
    return results


# Snapshots.


def bgsave(session):
    keys = session.scaled(KEYS_BIG)
    with session.running(session.plain_kinds, keys=keys) as servers:
        for compression in ("yes", "no"):
            title = f"BGSAVE of {keys / 1e6:g}M keys, rdbcompression {compression}"
            for server in servers.values():
                server.client.try_config("rdbcompression", compression)
            measures = {"s": session.measure(title, "s")}
            session.paired(
                title, servers, lambda name: {"s": time_bgsave(servers[name])}, measures
            )


def time_bgsave(server, every=lambda: None, pause_s=0.01):
    """Seconds from BGSAVE to the report of its end; calls `every` while it runs."""
    began = time.monotonic()
    server.client("BGSAVE")
    while True:
        time.sleep(pause_s)
        every()
        info = server.client.info("persistence")
        if info["rdb_bgsave_in_progress"] == "0":
            break
    if info["rdb_last_bgsave_status"] != "ok":
        raise RuntimeError(f"BGSAVE of {server.kind.name} failed")
    return time.monotonic() - began


def load(session):
    keys = session.scaled(KEYS_BIG)
    title = f"restart with {keys / 1e6:g}M keys: exec to PING OK"
    kinds = {kind.name: kind for kind in session.plain_kinds}
    with contextlib.ExitStack() as stack:
        folders = {}
        for name, kind in kinds.items():
            server = Server(kind)
            server.owns_folder = False
            folders[name] = server.folder
            stack.callback(shutil.rmtree, server.folder, ignore_errors=True)
            with server:
                session.note(f"  filling and saving {name}")
                session.load(False).fill(server, keys)
                server.client("SAVE")

        def visit(name):
            with Server(kinds[name], folder=folders[name]) as server:
                again = time.monotonic()
                if server.client("DBSIZE") != keys:
                    raise RuntimeError(f"{name} lost keys")
                return {"s": again - server.started}

        session.paired(title, kinds, visit, {"s": session.measure(title, "s")})


def bgsave_latency(session):
    keys = session.scaled(KEYS_BIG)
    with session.running(session.plain_kinds, keys=keys) as servers:
        rate = RATE_DURING_BGSAVE
        title = f"{rate} SET/s, {keys / 1e6:g}M keys"
        measures = {
            "idle_p99": session.measure(f"{title}: p99 without a save", "ms"),
            "p99": session.measure(f"{title}: p99 during BGSAVE", "ms"),
            "max": session.measure(f"{title}: longest during BGSAVE", "ms"),
            "seconds": session.measure(f"{title}: BGSAVE lasts", "s"),
            "growth": session.measure(f"{title}: memory added by BGSAVE", "% of RSS"),
        }

        def visit(name):
            idle = session.load(False).run(
                servers[name], mode="set", keys=keys, rate=rate, seconds=2, warmup_ms=500
            )
            results = save_under_load(session, servers[name], keys, {"rate": rate})
            return {"idle_p99": idle["p99_us"] / 1000, **results}

        session.paired(title, servers, visit, measures)
        title = f"SET as fast as it goes, {keys / 1e6:g}M keys"
        measures = {
            "seconds": session.measure(f"{title}: BGSAVE lasts", "s"),
            "growth": session.measure(f"{title}: memory added by BGSAVE", "% of RSS"),
        }
        session.paired(
            title,
            servers,
            lambda name: save_under_load(session, servers[name], keys, {"pipeline": 16}),
            measures,
        )


def save_under_load(session, server, keys, how):
    """BGSAVE under SETs of random keys. What a save adds to the memory is the growth of the
    server's RSS, and the pages copied because of a child process where it has one."""
    load = session.load(False)
    process = load.begin(server, mode="set", keys=keys, seconds=1000, **how)
    try:
        time.sleep(1)
        before = host.rss_bytes(server.pid)
        peak, forked = before, False

        def look():
            nonlocal peak, forked
            peak = max(peak, host.rss_bytes(server.pid))
            forked = forked or bool(host.children(server.pid))

        process.send_signal(signal.SIGUSR1)
        seconds = time_bgsave(server, look, pause_s=0.02)
        figures = load.end(process, stop=True)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    copied = int(server.client.info("persistence")["rdb_last_cow_size"]) if forked else 0
    return {
        "seconds": seconds,
        "p99": figures["p99_us"] / 1000,
        "max": figures["max_us"] / 1000,
        "growth": 100 * (peak - before + copied) / before,
    }


# Replication.


def unlimit_followers(leader):
    """No pauses and no limits that would drop a follower which is behind on purpose."""
    leader.client.try_config("repl-diskless-sync-delay", "0")
    leader.client.try_config("client-output-buffer-limit", "replica 0 0 0")
    leader.client.try_config("repl-timeout", "600")


def follow(follower, leader):
    follower.client.try_config("repl-timeout", "600")
    follower.client("REPLICAOF", "127.0.0.1", leader.port)
    wait_equal(follower, leader)


def wait_equal(follower, leader, limit_s=600):
    """Waits until the follower is online and has all that the leader has written."""
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        with contextlib.suppress(Refused):  # loading
            mine = follower.client.info("replication")
            if mine.get("master_link_status") == "up":
                theirs = leader.client.info("replication")
                if mine["slave_repl_offset"] == theirs["master_repl_offset"]:
                    if follower.client("DBSIZE") == leader.client("DBSIZE"):
                        return
        time.sleep(0.01)
    raise RuntimeError(f"{follower.kind.name}: the follower did not become equal")


def full_sync(session):
    keys = session.scaled(KEYS_BIG)
    kinds = {kind.name: kind for kind in session.plain_kinds}
    with session.running(session.plain_kinds, keys=keys) as leaders:
        for leader in leaders.values():
            unlimit_followers(leader)

        def sync(name, mode):
            with Server(kinds[name]) as follower:
                if mode != "default" and not follower.client.try_config("repl-diskless-load", mode):
                    return None
                began = time.monotonic()
                follow(follower, leaders[name])
                return time.monotonic() - began

        def visit(name):
            default, swapdb = sync(name, "default"), sync(name, "swapdb")
            best = default if swapdb is None else min(default, swapdb)
            return {"default": default, "best": best}

        title = f"full sync of {keys / 1e6:g}M keys"
        measures = {
            "default": session.measure(f"{title}, defaults", "s"),
            "best": session.measure(f"{title}, the better of defaults and swapdb", "s"),
        }
        session.paired(title, leaders, visit, measures)


def apply(session):
    """The follower is stopped while the leader takes the writes, so that it is never idle when
    it goes on, and applies them alone."""
    count = session.scaled(KEYS_APPLY)
    kinds = session.plain_kinds
    with session.running(kinds) as leaders, session.running(kinds) as followers:
        for name, leader in leaders.items():
            unlimit_followers(leader)
            follow(followers[name], leader)

        def catch_up(name, **writes):
            leader, follower = leaders[name], followers[name]
            syncs = leader.client.info("stats")["sync_full"]
            follower.process.send_signal(signal.SIGSTOP)
            try:
                session.load(False).run(leader, keys=count, pipeline=100, **writes)
                host.back_memory(count * BACKED_BYTES_PER_KEY)
                before, began = host.cpu_us(follower.pid), time.monotonic()
            finally:
                follower.process.send_signal(signal.SIGCONT)
            wait_equal(follower, leader)
            if leader.client.info("stats")["sync_full"] != syncs:
                raise RuntimeError(f"{name}: the follower was dropped and synced anew")
            kops_per_s = count / (time.monotonic() - began) / 1000
            return (host.cpu_us(follower.pid) - before) / count, kops_per_s

        def visit(name):
            leaders[name].client("FLUSHALL")
            wait_equal(followers[name], leaders[name])
            insert_us, insert_kops = catch_up(name, mode="fill")
            update_us, update_kops = catch_up(name, mode="set", ops=count, warmup_ms=0)
            return {
                "insert_us": insert_us,
                "insert_kops": insert_kops,
                "update_us": update_us,
                "update_kops": update_kops,
            }

        measures = {}
        for what in ("insert", "update"):
            title = f"follower applies {count / 1e6:g}M SETs ({what}s)"
            measures[f"{what}_us"] = session.measure(f"{title}: CPU", "us/op")
            measures[f"{what}_kops"] = session.measure(f"{title}: speed", "kops/s", False)
        session.paired("apply", leaders, visit, measures)


def leader_feed(session):
    feed(session, 1)


def leader_feed_three(session):
    feed(session, 3)


def feed(session, count):
    """Two servers of each kind take the same SETs, one of them with followers, which share the
    load generator's core."""
    keys = session.scaled(KEYS_SMALL)
    kinds = session.plain_kinds
    who = "one follower" if count == 1 else f"{count} followers"
    with contextlib.ExitStack() as stack:
        alone = stack.enter_context(session.running(kinds, True, keys))
        leaders = stack.enter_context(session.running(kinds, True, keys))
        followers = {}
        for kind in kinds:
            leader = leaders[kind.name]
            unlimit_followers(leader)
            followers[kind.name] = [
                stack.enter_context(Server(kind, LOAD_CORE)) for _ in range(count)
            ]
            for follower in followers[kind.name]:
                follow(follower, leader)
        load = session.load(True)
        for pipeline in (16, 100):
            how = {"mode": "set", "keys": keys, "pipeline": pipeline}
            how["seconds"] = session.options.seconds

            def visit(name):
                without = load.run(alone[name], **how)["server_us"]
                fed = load.run(leaders[name], **how)["server_us"]
                for follower in followers[name]:
                    wait_equal(follower, leaders[name])
                return {"without": without, "with": fed, "added": fed - without}

            title = f"SET pipeline {pipeline}"
            measures = {
                "without": session.measure(f"{title}, no follower: server CPU", "us/op"),
                "with": session.measure(f"{title}, {who}: server CPU", "us/op"),
                "added": session.measure(f"{title}: CPU added by {who}", "us/op"),
            }
            session.paired(f"{title}, {who}", leaders, visit, measures)


def write_delay(session):
    """Until a follower that is idle and caught up shows what its leader was told."""
    kinds = session.plain_kinds
    with contextlib.ExitStack() as stack:
        leaders = stack.enter_context(session.running(kinds))
        followers = {}
        for kind in kinds:
            followers[kind.name] = stack.enter_context(Server(kind))
            follow(followers[kind.name], leaders[kind.name])

        def visit(name):
            leader, follower = leaders[name].client, followers[name].client
            delays_us = []
            for n in range(300):
                leader("SET", "delay", n)
                began = time.monotonic()
                while follower("GET", "delay") != str(n):
                    pass
                delays_us.append((time.monotonic() - began) * 1e6)
                time.sleep(0.003)
            return {"median": statistics.median(delays_us)}

        measures = {"median": session.measure("from a SET's reply to the follower", "us")}
        session.paired("write delay", leaders, visit, measures)


def dark_time(session):
    """How long a follower that holds data refuses to be read while it takes a full sync."""
    keys = session.scaled(KEYS_BIG)
    kinds = {kind.name: kind for kind in session.plain_kinds}
    with session.running(session.plain_kinds, keys=keys) as leaders:
        for leader in leaders.values():
            unlimit_followers(leader)

        def visit(name):
            with Server(kinds[name]) as follower:
                follower.client("SET", "old", "data")
                host.back_memory(keys * BACKED_BYTES_PER_KEY)
                follower.client("REPLICAOF", "127.0.0.1", leaders[name].port)
                dark_s, last = 0.0, time.monotonic()
                while follower.client.info("replication")["master_link_status"] != "up":
                    try:
                        follower.client("GET", "old")
                        refused = False
                    except Refused:
                        refused = True
                    now = time.monotonic()
                    dark_s += (now - last) * refused
                    last = now
                    time.sleep(ASKED_EVERY_S)
                wait_equal(follower, leaders[name])
                return {"dark": dark_s}

        title = f"full sync of {keys / 1e6:g}M keys: a follower cannot be read for"
        session.paired("dark time", leaders, visit, {"dark": session.measure(title, "s")})


TESTS = {
    "cpu": cpu,
    "ops": ops,
    "latency": latency,
    "types": types,
    "memory": memory,
    "types-memory": types_memory,
    "bgsave": bgsave,
    "load": load,
    "bgsave-latency": bgsave_latency,
    "full-sync": full_sync,
    "apply": apply,
    "leader-feed": leader_feed,
    "leader-feed-three": leader_feed_three,
    "write-delay": write_delay,
    "dark-time": dark_time,
    "throttled-sync": throttled_sync,
    "throttled-sync-big": throttled_sync_big,
}
