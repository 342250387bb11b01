"""Redis's own Sentinel, three of them, manages a leader and two followers of ours.

The leader is killed, restarted, stopped and let go on, shut down and failed over by command.
Each time the sentinels find it out, promote a follower, and reconfigure the others, in memory
and in their files; a client of redis-py that asks the sentinels for the leader goes on.
`SENTINEL DEBUG` makes everything quick that Sentinel does once a second or less often.
"""

import asyncio
import contextlib
import signal
import subprocess
import threading
import time

import pytest
import redis
import redis.asyncio.sentinel
import redis.sentinel

from conftest import NO_RETRY, free_port, is_up, needed, wait_until

NAME = "leader"
DOWN_AFTER_MS = 700
QUICK = {
    "info-period": 100, "ping-period": 100, "ask-period": 100,
    # A leader that a sentinel did not expect is made a follower after four of these; the one
    # that promotes it sees that only after a second.
    "publish-period": 600,
    "min-link-reconnect-period": 100, "election-timeout": 2000, "slave-reconf-timeout": 2000,
    # A busy machine is no reason to do nothing for half a minute.
    "tilt-trigger": 30_000, "tilt-period": 100,
}


class Sentinel:
    def __init__(self, folder, leader_port):
        self.folder = folder
        self.port = free_port()
        self.file = folder / "sentinel.conf"
        self.file.write_text("\n".join([
            f"port {self.port}", f"dir {folder}",
            f"sentinel monitor {NAME} 127.0.0.1 {leader_port} 2",
            f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {NAME} 4000",
        ]) + "\n")
        with open(folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["redis-sentinel", self.file], stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def hurry(self):
        wait_until(self.answers, lambda: f"a sentinel answers; its log: {self.log()}")
        for pair in QUICK.items():
            self.ask("DEBUG", *pair)

    def answers(self):
        assert self.process.poll() is None, f"the sentinel has ended: {self.log()}"
        try:
            return self.ask("MYID")
        except redis.ConnectionError:
            return False

    def ask(self, *words):
        client = redis.Redis(port=self.port, decode_responses=True, retry=NO_RETRY)
        with client:
            return client.execute_command("SENTINEL", *words)

    def leader_port(self):
        return int(self.ask("GET-MASTER-ADDR-BY-NAME", NAME)[1])

    def known(self):
        """How many other sentinels and followers it knows, and what it calls the leader."""
        with redis.Redis(port=self.port, decode_responses=True, retry=NO_RETRY) as client:
            state = client.sentinel_master(NAME)
            return state["num-other-sentinels"], state["num-slaves"], state["flags"]

    def log(self):
        return (self.folder / "log").read_text(errors="replace")


class Writer:
    """A client as applications have them: it counts, and asks the sentinels whom to tell."""

    def __init__(self, client):
        self.client = client
        self.written = 0
        self.failed = 0
        self.ends = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ends:
            try:
                self.client.set("count", self.written + 1)
                self.written += 1
            except (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError):
                self.failed += 1
            time.sleep(0.002)

    def must_go_on(self):
        written = self.written
        wait_until(lambda: self.written >= written + 20, "the writer goes on")

    def end(self):
        self.ends = True
        self.thread.join(20)


class Cluster:
    """A leader, two followers and three sentinels."""

    def __init__(self, start_server, folder):
        lines = ["save 3600 1", "enable-debug-command local",
                 "repl-diskless-sync-delay 0", "repl-timeout 5"]
        first = start_server(lines=lines)
        follow = [*lines, f"replicaof 127.0.0.1 {first.port}"]
        self.servers = [first, start_server(lines=follow), start_server(lines=follow)]
        self.sentinels = []
        for n in range(3):
            (folder / f"sentinel-{n}").mkdir()
            self.sentinels.append(Sentinel(folder / f"sentinel-{n}", first.port))
        for sentinel in self.sentinels:
            sentinel.hurry()
        self.service = redis.sentinel.Sentinel(
            self.addresses(), socket_timeout=2, decode_responses=True)

    def addresses(self):
        return [("127.0.0.1", sentinel.port) for sentinel in self.sentinels]

    def end(self):
        for sentinel in self.sentinels:
            sentinel.process.kill()
            sentinel.process.wait()

    @property
    def leader(self):
        port = self.sentinels[0].leader_port()
        return next(each for each in self.servers if each.port == port)

    def story(self):
        return "\n".join(each.log()[-3000:] for each in (*self.sentinels, *self.servers))

    def wait_for_another(self, old):
        """Until all sentinels name one new leader, and it leads."""
        def agreed():
            ports = {sentinel.leader_port() for sentinel in self.sentinels}
            return ports.isdisjoint({old.port}) and len(ports) == 1
        wait_until(agreed, lambda: f"another than {old.port} leads:\n{self.story()}")
        wait_until(lambda: role(self.leader) == "master", self.story)

    def wait_for_peace(self):
        """Until the sentinels know everyone, everyone follows the leader, and the files of
        all servers say so."""
        def rest():
            leader = self.leader
            if any(each.known() != (2, 2, "master") for each in self.sentinels):
                return False
            return all(each is leader or follows(each, leader) for each in self.servers)
        wait_until(rest, lambda: f"all is well again:\n{self.story()}")
        leader = self.leader
        for server in self.servers:
            says = [] if server is leader else [f"replicaof 127.0.0.1 {leader.port}"]
            found = lambda: [line for line in server.file.read_text().splitlines()
                             if line.startswith(("replicaof", "slaveof"))]
            wait_until(lambda: found() == says, lambda: f"{found()} should be {says}")

    def wait_for_equal_data(self):
        def equal():
            digests = {each.client().execute_command("DEBUG", "DIGEST")
                       for each in self.servers}
            return len(digests) == 1
        wait_until(equal, "the keyspaces are equal")


def role(server):
    try:
        with server.client(retry=NO_RETRY, socket_timeout=2) as client:
            return client.info("replication")["role"]
    except (redis.ConnectionError, redis.TimeoutError):
        return None


def follows(server, leader):
    try:
        with server.client(retry=NO_RETRY) as client:
            state = client.info("replication")
            return (state["role"] == "slave" and state["master_port"] == leader.port
                    and is_up(client))
    except redis.ConnectionError:  # a sentinel that gives a server its role kills its clients
        return False


@pytest.fixture
def cluster(start_server, tmp_path):
    needed("redis-sentinel")
    cluster = Cluster(start_server, tmp_path)
    yield cluster
    cluster.end()


def kill_and_restart(cluster, leader):
    leader.kill()
    cluster.wait_for_another(leader)
    leader.start()


def hang_and_go_on(cluster, leader):
    leader.signal(signal.SIGSTOP)
    cluster.wait_for_another(leader)
    leader.signal(signal.SIGCONT)


def shut_down_and_start(cluster, leader):
    leader.signal(signal.SIGTERM)
    assert leader.wait_for_exit() == 0
    cluster.wait_for_another(leader)
    leader.start()


def fail_over_by_command(cluster, leader):
    sentinel = cluster.sentinels[1]

    def done():
        if sentinel.leader_port() != leader.port:
            return True
        # It gives up at once where it has not heard of a follower for three of its periods,
        # and refuses while it is at it.
        with contextlib.suppress(redis.ResponseError):
            sentinel.ask("FAILOVER", NAME)
        return False

    wait_until(done, cluster.story)
    cluster.wait_for_another(leader)


@pytest.mark.parametrize(
    "trouble", [kill_and_restart, hang_and_go_on, shut_down_and_start, fail_over_by_command])
def test_a_leader_in_trouble(cluster, trouble):
    cluster.wait_for_peace()
    leader = cluster.leader
    client = cluster.service.master_for(NAME)
    client.set("kept", "by all")
    assert client.wait(2, 20_000) == 2
    writer = Writer(client)
    writer.must_go_on()

    trouble(cluster, leader)
    writer.must_go_on()
    cluster.wait_for_peace()
    writer.must_go_on()
    writer.end()

    assert cluster.leader is not leader
    assert client.get("kept") == "by all"
    assert client.get("count") == str(writer.written)
    assert client.wait(2, 20_000) == 2
    assert cluster.service.slave_for(NAME).get("count") == str(writer.written)
    cluster.wait_for_equal_data()
    if trouble is fail_over_by_command:
        # The old leader went on for a while: its other follower was ahead of the new one.
        return
    # The follower that stayed one has gone on where it was.
    third = next(each for each in cluster.servers if each not in (leader, cluster.leader))
    assert third.log().count("Full resync from master") == 1, third.log()
    assert "Successful partial resynchronization with master" in third.log()


@pytest.mark.parametrize("trouble", ["kill", "hang"])
def test_a_follower_in_trouble(cluster, trouble):
    cluster.wait_for_peace()
    leader = cluster.leader
    client = cluster.service.master_for(NAME)
    writer = Writer(client)
    follower = cluster.servers[1]
    follower.kill() if trouble == "kill" else follower.signal(signal.SIGSTOP)

    def seen(count):
        return lambda: len(cluster.service.discover_slaves(NAME)) == count

    wait_until(seen(1), lambda: f"the sentinels miss it:\n{cluster.story()}")
    writer.must_go_on()
    follower.start() if trouble == "kill" else follower.signal(signal.SIGCONT)
    wait_until(seen(2), lambda: f"the sentinels find it again:\n{cluster.story()}")
    cluster.wait_for_peace()
    writer.end()
    assert cluster.leader is leader
    assert writer.failed == 0
    cluster.wait_for_equal_data()


def test_asyncio_goes_on(cluster):
    cluster.wait_for_peace()
    leader = cluster.leader

    async def scenario():
        service = redis.asyncio.sentinel.Sentinel(
            cluster.addresses(), socket_timeout=2, decode_responses=True)
        client = service.master_for(NAME)
        assert await client.set("a", 1)
        assert await client.wait(2, 20_000) == 2
        leader.kill()
        await asyncio.to_thread(cluster.wait_for_another, leader)
        assert await client.get("a") == "1"
        assert await client.incr("a") == 2
        await client.aclose()

    asyncio.run(scenario())
