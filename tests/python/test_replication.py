"""Replication in five minutes, as its tutorial goes, and what befalls a link after that."""

import re
import signal

import pytest
import redis

from conftest import is_up, wait_for_link, wait_until

FULL_SYNC_AT_ONCE = ("--repl-diskless-sync-delay", "0")

# What a follower logs when it has lost its link and takes up where it was, in this order.
LINK_LOST = [
    r"Connection with master lost\.",
    r"Caching the disconnected master state\.",
    r"Reconnecting to MASTER 127\.0\.0\.1:\d+",
    r"MASTER <-> REPLICA sync started",
]
RESUMED = [
    r"Non blocking connect for SYNC fired the event\.",
    r"Master replied to PING, replication can continue\.\.\.",
    r"Trying a partial resynchronization \(request [0-9a-f]{40}:\d+\)\.",
    r"Successful partial resynchronization with master\.",
    r"MASTER <-> REPLICA sync: Master accepted a Partial Resynchronization\.",
]


def wait_for_value(client, key, value):
    wait_until(lambda: client.get(key) == value, f"{key} is {value}")


def find_in_order(lines, text):
    """Fails, naming the line, unless `text` has all the patterns in this order."""
    at = 0
    for line in lines:
        found = re.compile(line).search(text, at)
        assert found, f"the log has no {line!r} here:\n{text[at:]}"
        at = found.end()


def start_pair(start_server, *args, follow=None):
    """A leader and a follower in sync; `follow` gives the port to follow."""
    leader = start_server(*FULL_SYNC_AT_ONCE, *args)
    port = follow(leader) if follow else leader.port
    follower = start_server("--save", "", "--replicaof", "127.0.0.1", port, *args)
    wait_for_link(follower)
    return leader, follower


def test_the_tutorial(start_server):
    leader, follower = start_pair(start_server, "--save", "")
    with leader.client() as first, follower.client() as second:
        assert first.set("greeting", "hello") is True
        wait_for_value(second, "greeting", "hello")
        assert first.get("greeting") == "hello"
        with pytest.raises(redis.exceptions.ReadOnlyError) as refused:
            second.set("greeting", "bye")
        assert str(refused.value) == "You can't write against a read only replica."
        assert first.info("replication")["connected_slaves"] == 1
        assert first.info("replication")["slave0"]["state"] == "online"
        replication = second.info("replication")
        assert replication["role"] == "slave"
        assert replication["master_host"] == "127.0.0.1"
        assert replication["master_port"] == leader.port
        assert first.role()[0] in ("master", b"master")
    find_in_order(
        [r"Connecting to MASTER 127\.0\.0\.1:\d+", r"MASTER <-> REPLICA sync started",
         r"Non blocking connect for SYNC fired the event\.",
         r"Master replied to PING, replication can continue\.\.\.",
         r"Full resync from master: [0-9a-f]{40}:\d+", r"MASTER <-> REPLICA sync"],
        follower.log())


def test_slaveof_is_the_same(start_server):
    leader = start_server("--save", "", *FULL_SYNC_AT_ONCE)
    follower = start_server("--save", "", "--slaveof", "127.0.0.1", leader.port)
    wait_for_link(follower)


def test_everything_written_before_and_after_arrives(start_server):
    leader = start_server("--save", "", *FULL_SYNC_AT_ONCE)
    with leader.client() as first:
        first.mset({f"before:{n}": "x" * n for n in range(500)})
        first.set("fleeting", 1, ex=1000)
        follower = start_server("--save", "", "--replicaof", "127.0.0.1", leader.port)
        wait_for_link(follower)
        with first.pipeline() as pipe:
            for n in range(500):
                pipe.set(f"after:{n}", n)
            pipe.execute()
        with leader.client(db=3) as third:
            third.set("elsewhere", 1)
        assert first.wait(1, 10_000) == 1
    with follower.client() as second, follower.client(db=3) as third:
        assert second.dbsize() == 1001
        assert second.get("before:499") == "x" * 499
        assert second.get("after:499") == "499"
        assert 0 < second.ttl("fleeting") <= 1000
        assert third.get("elsewhere") == "1"


def test_a_leader_that_hangs(start_server):
    """The leader is stopped longer than repl-timeout, and goes on."""
    leader, follower = start_pair(
        start_server, "--repl-timeout", "2", "--repl-ping-replica-period", "1")
    with leader.client() as first:
        first.set("a", 1)
        wait_for_value(follower.client(), "a", "1")
        begin = len(follower.log())
        leader.signal(signal.SIGSTOP)
        wait_until(lambda: "MASTER timeout" in follower.log()[begin:], "the timeout")
        assert follower.client().get("a") == "1"
        leader.signal(signal.SIGCONT)
        wait_until(lambda: "accepted a Partial" in follower.log()[begin:], "it resumes")
        wait_for_link(follower)
        first.set("a", 2)
        wait_for_value(follower.client(), "a", "2")
    find_in_order(
        [r"MASTER timeout: no data nor PING received\.\.\.", *LINK_LOST, *RESUMED],
        follower.log()[begin:])
    assert follower.log().count("Full resync from master") == 1


def test_a_cut_link(start_server, link):
    links = []
    leader, follower = start_pair(
        start_server, "--save", "",
        follow=lambda leader: links.append(link(leader.port)) or links[0].port)
    with leader.client() as first:
        first.set("a", 1)
        wait_for_value(follower.client(), "a", "1")
        begin = len(follower.log())
        links[0].allow = False
        links[0].cut()
        wait_until(lambda: not is_up(follower.client()), "the link is down")
        for n in range(100):
            first.incr("n")
        links[0].allow = True
        wait_for_value(follower.client(), "n", "100")
        assert first.info("stats")["sync_partial_ok"] == 1
        assert first.info("stats")["sync_full"] == 1
    find_in_order(LINK_LOST + RESUMED, follower.log()[begin:])


def test_a_leader_that_restarts(start_server):
    """SHUTDOWN saves, and the RDB keeps the history that the follower asks for."""
    leader, follower = start_pair(start_server, "--save", "3600 1")
    with leader.client() as first:
        first.set("a", 1)
        wait_for_value(follower.client(), "a", "1")
        begin = len(follower.log())
        first.shutdown()
    leader.wait_for_exit()
    with follower.client() as second:
        wait_until(lambda: not is_up(second), "the link is down")
        assert second.get("a") == "1"
    leader.start()
    with leader.client() as first:
        assert first.get("a") == "1"
        first.set("a", 2)
        wait_for_value(follower.client(), "a", "2")
    find_in_order(LINK_LOST, follower.log()[begin:])
    find_in_order(RESUMED, follower.log()[begin:])
    assert follower.log().count("Full resync from master") == 1


def test_a_follower_becomes_a_leader(start_server):
    leader, follower = start_pair(start_server, "--save", "")
    leader.client().set("a", 1)
    wait_for_value(follower.client(), "a", "1")
    with follower.client() as second:
        assert second.replicaof("no", "one") in (True, "OK")
        assert second.set("a", 2) is True
        assert second.info("replication")["role"] == "master"
        assert leader.client().get("a") == "1"
        assert second.replicaof("127.0.0.1", leader.port) in (True, "OK")
        wait_for_link(follower)
        wait_for_value(second, "a", "1")


def test_a_follower_follows_a_follower(start_server):
    leader, middle = start_pair(start_server, "--save", "", *FULL_SYNC_AT_ONCE)
    last = start_server("--save", "", "--replicaof", "127.0.0.1", middle.port)
    wait_for_link(last)
    leader.client().set("a", 1)
    wait_for_value(last.client(), "a", "1")
    offsets = [each.client().info("replication")["master_repl_offset"]
               for each in (leader, middle, last)]
    wait_until(lambda: len({each.client().info("replication")["master_repl_offset"]
                            for each in (leader, middle, last)}) == 1, f"one offset: {offsets}")


def test_a_password_between_them(start_server):
    leader = start_server("--save", "", "--requirepass", "secret", *FULL_SYNC_AT_ONCE)
    follower = start_server(
        "--save", "", "--replicaof", "127.0.0.1", leader.port, "--masterauth", "secret")
    wait_for_link(follower)
    leader.client(password="secret").set("a", 1)
    wait_for_value(follower.client(), "a", "1")
