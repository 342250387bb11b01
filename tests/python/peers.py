"""Servers of every make in one chain, and what is asked of it: equal data, nothing sent twice.

Redis 7.0 is Debian's and always there. Redis 8 and Valkey 9 are looked for in `$PEERS/bin` and
`~/.cache/peers/bin` too; without them a test of theirs is skipped, and says so.
"""

import os
import pathlib
import time

import pytest
import redis

from conftest import PROGRAM, is_up, needed, wait_until

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
    """A field of INFO; without a name the whole section."""
    with server.client() as client:
        found = client.info(section)
        return found[name] if name else found


def contents(server, timed=False):
    """All keys with their values and expiry times, by database; `timed`: those of fields too."""
    found = {}
    for db in range(DATABASES):
        # RESP2, whose replies are flat arrays: they can be compared as they are.
        with server.client(db=db, decode_responses=False, protocol=2) as client:
            keys = list(client.scan_iter(count=1000))
            kinds = ask(client, keys, lambda key: [["TYPE", key]])
            kinds = {key: kind.decode() for key, (kind,) in zip(keys, kinds)}
            replies = ask(client, keys, lambda key: [
                ["PEXPIRETIME", key], *WHOLE.get(kinds[key], lambda _: [])(key)])
            found[db] = {key: (kinds[key], *comparable(kinds[key], reply))
                         for key, reply in zip(keys, replies)}
            if timed:
                note_times_of_fields(client, found[db])
    return found


# How a value of each type is asked for.
WHOLE = {
    "string": lambda key: [["GET", key]],
    "list": lambda key: [["LRANGE", key, 0, -1]],
    "set": lambda key: [["SMEMBERS", key]],
    "zset": lambda key: [["ZRANGE", key, 0, -1, "WITHSCORES"]],
    "hash": lambda key: [["HGETALL", key]],
    "stream": lambda key: [["XRANGE", key, "-", "+"], ["XINFO", "GROUPS", key],
                           ["XINFO", "STREAM", key]],
}


def ask(client, keys, questions):
    """The replies to the questions about each key, together, as they came."""
    connection = client.connection_pool.get_connection()
    found = []
    for start in range(0, len(keys), 200):
        asked = [questions(key) for key in keys[start:start + 200]]
        connection.send_packed_command(connection.pack_commands(
            [question for each in asked for question in each]))
        found += [[answer(connection) for _ in each] for each in asked]
    client.connection_pool.release(connection)
    return found


def answer(connection):
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return error


def comparable(kind, reply):
    """The expiry time and the value, in an order and without what may differ."""
    expire_at_ms, *value = reply
    if any(isinstance(each, Exception) for each in value):
        return expire_at_ms, None  # expired since its type was asked
    match kind:
        case "set":
            value = sorted(value[0])
        case "hash":
            value = as_dict(value[0])
        case "stream":
            entries, groups, stream = value
            names = [b"name", b"consumers", b"pending", b"last-delivered-id"]
            groups = [[as_dict(group)[name] for name in names] for group in groups]
            stream = as_dict(stream)
            value = [entries, groups, stream[b"length"], stream[b"last-generated-id"]]
    return expire_at_ms, value


def as_dict(pairs):
    return dict(zip(pairs[::2], pairs[1::2]))


def note_times_of_fields(client, keys):
    """Puts the expiry time of each field beside its value."""
    hashes = {key: held for key, held in keys.items() if held[0] == "hash" and held[2]}
    names = {key: sorted(held[2]) for key, held in hashes.items()}
    replies = ask(client, list(hashes), lambda key: [
        ["HPEXPIRETIME", key, "FIELDS", len(names[key]), *names[key]]])
    for key, (times,) in zip(hashes, replies):
        kind, expire_at_ms, fields = hashes[key]
        if isinstance(times, list):  # else it is gone by now
            keys[key] = (kind, expire_at_ms, {
                name: (fields[name], at_ms) for name, at_ms in zip(names[key], times)})


def contents_of_all(servers, timed=False):
    """The contents of each, without what has expired while they were looked at."""
    found = [contents(server, timed) for server in servers]
    now_ms = time.time() * 1000
    for databases in found:
        for db, keys in databases.items():
            left = {key: without_ended(held, now_ms, timed) for key, held in keys.items()
                    if held[1] == NEVER or held[1] > now_ms}
            # A hash whose last field has ended is gone too, or will be.
            databases[db] = {key: held for key, held in left.items()
                             if not (timed and held[0] == "hash") or held[2]}
    return found


def without_ended(held, now_ms, timed):
    kind, expire_at_ms, value = held
    if timed and kind == "hash" and value:
        value = {name: field for name, field in value.items()
                 if field[1] == NEVER or field[1] > now_ms}
    return kind, expire_at_ms, value


def digest(server):
    # It takes its time where the server is no release build.
    with server.client(socket_timeout=60) as client:
        return client.execute_command("DEBUG", "DIGEST")


def shortened(held):
    text = repr(held)
    return text if len(text) < 2000 else f"{text[:1000]} ... {text[-1000:]}"


class Chain:
    """Each server follows the one before it, through a link that can be cut."""

    def __init__(self, start_server, open_link, kinds, *args, fill=lambda leader: None):
        self.kinds = kinds
        # Whether fields of hashes may have times to live: Redis 7 does not know of any.
        self.timed = not any(kind.startswith("redis-7") for kind in kinds)
        # Redis 8 tells its followers of HINCRBYFLOAT in words that Redis 7 does not know.
        floats = self.timed or not kinds[0].startswith("redis-8")
        self.allowed = {"timed": self.timed, "floats": floats}
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
            if len(self.servers) == 1:
                fill(self.leader)

    @property
    def leader(self):
        return self.servers[0]

    def followers(self):
        return zip(range(len(self.links)), self.links, self.servers, self.servers[1:])

    def wait_for_links(self):
        for _, _, leader, follower in self.followers():
            with follower.client() as client:
                wait_until(lambda: is_up(client), self.story)
            wait_until(lambda: self.is_online(leader), self.story)

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
                   self.story)
        self.wait_for_links()

    def wait_for_equal_data(self):
        def equal():
            offsets = {info(each, "replication", "master_repl_offset") for each in self.servers}
            return len(offsets) == 1 and self.have_equal_digests()
        wait_until(equal, self.inequality)

    def inequality(self):
        """Where the data differs, or at least how many keys there are, ended ones included."""
        counts = [info(each, "keyspace", None) for each in self.servers]
        found = self.differences() or self.digest_differences() or self.story()
        return f"the keyspaces are equal:\n{counts}\n{found}"

    def digest_differences(self):
        """Keys whose digests differ though clients are told the same."""
        found = []
        for db in range(DATABASES):
            digests = []
            for each in self.servers:
                with each.client(db=db, decode_responses=False, protocol=2) as client:
                    keys = sorted(client.scan_iter(count=1000))
                    replies = ask(client, keys, lambda key: [
                        ["DEBUG", "DIGEST-VALUE", key], ["OBJECT", "ENCODING", key]])
                    digests.append({key: reply for key, reply in zip(keys, replies)})
            found += [f"database {db}, {key}: {[each.get(key) for each in digests]}"
                      for key in digests[0]
                      # One that has ended meanwhile has no encoding.
                      if all(each.get(key, [None])[-1] for each in digests)
                      and len({str(each[key][0]) for each in digests}) > 1]
        return "\n".join(found[:20])

    def have_equal_digests(self):
        """What Redis takes into a digest of times of fields, Valkey does not."""
        if self.timed and any(kind.startswith("valkey") for kind in self.kinds):
            first, *others = contents_of_all(self.servers, self.timed)
            return all(other == first for other in others)
        return len({digest(each) for each in self.servers}) == 1

    def differences(self):
        """Some keys of which a follower has something else than the leader."""
        first, *others = contents_of_all(self.servers, self.timed)
        found = []
        for kind, other in zip(self.kinds[1:], others):
            for db in range(DATABASES):
                wrong = {key for key in first[db].keys() | other[db].keys()
                         if first[db].get(key) != other[db].get(key)}
                found += [f"{kind}, database {db}, {key}: {shortened(other[db].get(key))}\n"
                          f"on the leader {shortened(first[db].get(key))}"
                          for key in sorted(wrong)]
        return "\n".join(found[:20])

    def check_syncs(self):
        """One full sync for each follower, and a partial one for each cut."""
        for number, _, leader, _ in self.followers():
            stats = leader.client().info("stats")
            counted = [stats[f"sync_{kind}"] for kind in ("full", "partial_ok", "partial_err")]
            assert counted == [1, self.cuts[number], 0], self.story()

    def check_contents(self):
        differences = self.differences()
        assert not differences, differences

    def story(self):
        return "\n".join(f"--- {kind}: {each.client().info('replication')}\n{each.log()[-3000:]}"
                         for kind, each in zip(self.kinds, self.servers))
