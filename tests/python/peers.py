"""Servers of every make in one chain, and what is asked of it: equal data, nothing sent twice.

Redis 7.0 is Debian's and always there. Redis 8 and Valkey 9 are looked for in `$PEERS/bin` and
`~/.cache/peers/bin` too; without them a test of theirs is skipped, and says so.
"""

import os
import pathlib
import random
import threading
import time

import pytest
import redis

from conftest import NO_RETRY, PROGRAM, is_up, needed, wait_until

# What a server is started with, whatever it is.
COMMON = ["--save", "", "--repl-diskless-sync-delay", "0", "--enable-debug-command", "yes",
          "--repl-backlog-size", "64mb"]
KINDS = {
    "ours": (None, []),
    "ours-disk": (None, ["--repl-diskless-sync", "no"]),
    "redis-7": ("redis-server", []),
    "redis-7-disk": ("redis-server", ["--repl-diskless-sync", "no"]),
    "redis-8": ("redis-server-8", []),
    "redis-8-plain": ("redis-server-8", ["--repl-rdb-channel", "no"]),
    "valkey-9": ("valkey-server", []),
    "valkey-9-dual": ("valkey-server", ["--dual-channel-replication-enabled", "yes"]),
}
DATABASES = 16

# What PEXPIRETIME says of a key that stays.
NEVER = -1


def program_of(kind):
    name = KINDS[kind][0]
    if name is None:
        return PROGRAM
    if name == "redis-server":
        return needed(name)
    return found(name) or pytest.skip(
        f"{name} is neither in $PEERS/bin nor in ~/.cache/peers/bin")


def found(name):
    """The path of a server that a machine may have or not."""
    folders = [pathlib.Path.home() / ".cache/peers/bin"]
    if os.environ.get("PEERS"):
        folders.insert(0, pathlib.Path(os.environ["PEERS"]) / "bin")
    return next((folder / name for folder in folders if (folder / name).exists()), None)


def info(server, section, name):
    with server.client() as client:
        return client.info(section)[name]


def contents(server):
    """All keys with their values and expiry times, by database."""
    found = {}
    for db in range(DATABASES):
        with server.client(db=db, decode_responses=False) as client:
            keys = list(client.scan_iter(count=1000))
            with client.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.get(key)
                    pipe.execute_command("PEXPIRETIME", key)
                replies = pipe.execute()
            found[db] = dict(zip(keys, zip(replies[::2], replies[1::2])))
    return found


def contents_of_all(servers):
    """The contents of each, without what has expired while they were looked at."""
    found = [contents(server) for server in servers]
    now_ms = time.time() * 1000
    for databases in found:
        for db, keys in databases.items():
            databases[db] = {key: (value, expire_at_ms)
                             for key, (value, expire_at_ms) in keys.items()
                             if expire_at_ms == NEVER or expire_at_ms > now_ms}
    return found


def digest(server):
    with server.client() as client:
        return client.execute_command("DEBUG", "DIGEST")


class Chain:
    """Each server follows the one before it, through a link that can be cut."""

    def __init__(self, start_server, open_link, kinds, *args):
        self.kinds = kinds
        programs = [program_of(kind) for kind in kinds]
        self.servers = []
        self.links = []
        self.cuts = [0] * (len(kinds) - 1)
        for kind, program in zip(kinds, programs):
            follow = []
            if self.servers:
                self.links.append(open_link(self.servers[-1].port))
                follow = ["--replicaof", "127.0.0.1", self.links[-1].port]
            self.servers.append(start_server(
                *COMMON, *KINDS[kind][1], *args, *follow, program=program))

    @property
    def leader(self):
        return self.servers[0]

    def followers(self):
        return zip(range(len(self.links)), self.links, self.servers, self.servers[1:])

    def wait_for_links(self, seconds=40):
        for _, _, leader, follower in self.followers():
            with follower.client() as client:
                wait_until(lambda: is_up(client), self.story, seconds)
            wait_until(lambda: self.is_online(leader), self.story, seconds)

    @staticmethod
    def is_online(leader):
        with leader.client() as client:
            return client.info("replication").get("slave0", {}).get("state") == "online"

    def cut(self, number):
        """Cuts a link that stands, and waits until it is resumed."""
        self.links[number].cut()
        self.wait_for_resumed(number)

    def wait_for_resumed(self, number):
        """Waits until a link that was cut is resumed."""
        self.cuts[number] += 1
        leader = self.servers[number]
        wait_until(lambda: info(leader, "stats", "sync_partial_ok") >= self.cuts[number],
                   self.story, 40)
        self.wait_for_links()

    def wait_for_equal_data(self):
        def equal():
            offsets = {info(each, "replication", "master_repl_offset") for each in self.servers}
            return len(offsets) == 1 and len({digest(each) for each in self.servers}) == 1
        wait_until(equal, lambda: f"the keyspaces are equal:\n{self.differences()}", 60)

    def differences(self):
        """Some keys of which a follower has something else than the leader, or their story."""
        first, *others = contents_of_all(self.servers)
        found = []
        for kind, other in zip(self.kinds[1:], others):
            for db in range(DATABASES):
                wrong = {key for key, _ in first[db].items() ^ other[db].items()}
                found += [f"{kind}, database {db}, {key}: {other[db].get(key)}, "
                          f"on the leader {first[db].get(key)}" for key in sorted(wrong)]
        return "\n".join(found[:20]) or self.story()

    def check_syncs(self):
        """One full sync for each follower, and a partial one for each cut."""
        for number, _, leader, _ in self.followers():
            stats = leader.client().info("stats")
            counted = [stats[f"sync_{kind}"] for kind in ("full", "partial_ok", "partial_err")]
            assert counted == [1, self.cuts[number], 0], self.story()

    def check_contents(self):
        first, *others = contents_of_all(self.servers)
        for kind, other in zip(self.kinds[1:], others):
            for db in range(DATABASES):
                assert other[db] == first[db], f"database {db} of {kind}"

    def story(self):
        return "\n".join(f"--- {kind}: {each.client().info('replication')}\n{each.log()[-3000:]}"
                         for kind, each in zip(self.kinds, self.servers))


class Load:
    """A client that writes strings of all sorts, in all databases, as a seed has it.

    It makes no mistakes, so that an error is one of the server's. With `reconnects` it goes
    on when its connection breaks.
    """

    def __init__(self, server, seed, batches_per_s=100, reconnects=False):
        self.rng = random.Random(seed)
        self.reconnects = reconnects
        self.server = server
        self.interval_s = 1 / batches_per_s
        self.batches = 0
        self.failure = None
        self.ends = threading.Event()
        self.runs = threading.Event()
        self.rests = threading.Event()
        self.runs.set()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ends.is_set():
            try:
                with self.server.client(decode_responses=False, retry=NO_RETRY) as client:
                    # One connection: SELECT is a command like the others here.
                    self.write_batches(client.connection_pool.get_connection())
            except (redis.RedisError, AssertionError) as failure:
                if not (self.reconnects and isinstance(failure, redis.ConnectionError)):
                    self.failure = failure
                    break
                self.pause()
        self.rests.set()

    def write_batches(self, connection):
        while not self.pause():
            self.write(connection)
            self.batches += 1

    def pause(self):
        """Waits for the next batch's time; true if there is to be none."""
        if not self.runs.is_set():
            self.rests.set()
            self.runs.wait()
        return self.ends.wait(self.interval_s)

    def write(self, connection):
        commands = [["SELECT", self.rng.randrange(DATABASES)]]
        for _ in range(self.rng.randrange(1, 12)):
            commands += self.some()
        connection.send_packed_command(connection.pack_commands(commands))
        for command in commands:
            reply = connection.read_response()
            wrong = isinstance(reply, list) and [
                each for each in reply if isinstance(each, Exception)]
            assert not wrong, f"{command}: {wrong}"

    def some(self):
        rng = self.rng
        key, other = (f"key:{n}" for n in rng.sample(range(3000), 2))
        number = f"number:{rng.randrange(100)}"
        kind = rng.choices(range(len(WEIGHTS)), WEIGHTS)[0]
        match kind:
            case 0:
                return [["SET", key, rng.randbytes(rng.randrange(1, 100))]]
            case 1:
                return [["SET", key, "fleeting", "PX", rng.randrange(1, 1500)]]
            case 2:
                return [["INCRBY", number, rng.randrange(-50, 50)]]
            case 3:
                return [["APPEND", key, "more"], ["SETRANGE", key, rng.randrange(60), "..."]]
            case 4:
                return [["SET", key, rng.randbytes(rng.randrange(20_000, 150_000))]]
            case 5:
                return [["DEL", key, other], ["GETDEL", f"key:{rng.randrange(3000)}"]]
            case 6:
                return [["PEXPIRE", key, rng.randrange(1, 100_000)], ["PERSIST", other],
                        ["GETEX", key, "EX", rng.randrange(1, 100)]]
            case 7:
                return [["SET", key, "renamed"], ["RENAME", key, other],
                        ["COPY", other, key, "DB", rng.randrange(DATABASES), "REPLACE"],
                        ["SELECT", 1], ["MOVE", other, 2]]
            case 8:
                return self.transaction(number)
            case 9:
                return [["SWAPDB", rng.randrange(DATABASES), rng.randrange(DATABASES)]]
            case 10:
                return [["MSET", key, 1, other, 2], ["MSETNX", "key:nx", 1, key, 2],
                        ["GETSET", other, "again"], ["INCRBYFLOAT", "float", "0.25"]]
            case _:
                return [["FLUSHDB"]]

    def transaction(self, number):
        db = self.rng.randrange(DATABASES)
        return [["MULTI"], ["INCR", number], ["SELECT", db], ["INCR", number], ["EXEC"]]

    def wait_for(self, batches):
        """Waits until so many more batches are written."""
        goal = self.batches + batches
        wait_until(lambda: self.failure or self.batches >= goal, "the load goes on", 60)
        self.check()

    def rest(self):
        self.rests.clear()
        self.runs.clear()
        assert self.rests.wait(30), "the load's last batch is answered"
        self.check()

    def go_on(self):
        self.check()
        self.runs.set()

    def end(self):
        self.ends.set()
        self.runs.set()
        self.thread.join(30)
        self.check()

    def check(self):
        if self.failure:
            raise self.failure


# How often each sort of `Load.some` is chosen.
WEIGHTS = [40, 20, 10, 10, 1, 5, 8, 5, 8, 1, 4, 0.3]
