"""Leaders and followers that are killed, shut down and started again, under load.

A crash may cost a full sync. It may not cost data that the leader has, and never may two
histories that went apart be taken for one.
"""

import os
import random
import re
import signal

import pytest

from conftest import NO_RETRY, wait_for_link, wait_until
from load import Load
from peers import Chain, digest, info

SEED = os.environ.get("CRASH_SEED") or str(random.randrange(1_000_000))
ROUNDS = int(os.environ.get("CRASH_ROUNDS", 5))
SAVES = ("--save", "3600 1")
# No PINGs: the offsets are what the writes make them.
SILENT = ("--repl-ping-replica-period", "3600")
AT_ONCE = ("--repl-diskless-sync-delay", "0")


def stat(server, name):
    return info(server, "stats", name)


def offset(server):
    return info(server, "replication", "master_repl_offset")


def pair(start_server, link, *args):
    """A leader and a follower with a link between them, in sync."""
    args = ("--enable-debug-command", "yes", *AT_ONCE, *args)
    leader = start_server(*args)
    between = link(leader.port)
    follower = start_server(*args, "--replicaof", "127.0.0.1", between.port)
    wait_for_link(follower)
    return leader, between, follower


def wait_for_equal(leader, follower):
    wait_for_link(follower)
    wait_until(lambda: offset(leader) == offset(follower), "the offsets are equal")
    with leader.client() as one, follower.client() as other:
        keys = sorted(one.scan_iter())
        assert keys == sorted(other.scan_iter())
        assert not keys or one.mget(keys) == other.mget(keys)


@pytest.mark.timeout(100 + 40 * ROUNDS)
@pytest.mark.parametrize("saves", [True, False], ids=["rdb", "no rdb"])
@pytest.mark.parametrize("kinds", ["ours ours ours", "redis-7 ours redis-7"])
def test_rounds_of_kills(start_server, link, kinds, saves):
    """Whoever is killed, all have what the leader has in the end.

    Without files the leader is let live: one that came back with nothing would have nothing
    to equal.
    """
    rng = random.Random(SEED)
    chain = Chain(start_server, link, kinds.split(), "--save", "3600 1" if saves else "")
    load = Load(chain.leader, seed=SEED, reconnects=True)
    chain.wait_for_links()
    load.wait_for(20)
    if saves:
        save(chain.leader)
    for number in range(ROUNDS):
        victims = rng.sample(chain.servers[0 if saves else 1:], rng.randrange(1, 3))
        if saves and rng.random() < 0.7:
            for victim in victims:
                save(victim)
        load.wait_for(rng.randrange(5, 40))
        for victim in victims:
            victim.kill()
        for victim in rng.sample(victims, len(victims)):
            victim.start()
        chain.wait_for_links()
        load.wait_for(10)
        load.rest()
        try:
            chain.wait_for_equal_data()
        except pytest.fail.Exception as failure:
            pytest.fail(f"CRASH_SEED={SEED}, round {number}: {failure}")
        load.go_on()
    load.end()
    chain.wait_for_equal_data()
    chain.check_contents()


def save(server):
    """A save under load, of which it depends on the moment how much it has."""
    with server.client() as client:
        client.bgsave()
        wait_until(lambda: not client.info("persistence")["rdb_bgsave_in_progress"], "it saves")
        assert client.info("persistence")["rdb_last_bgsave_status"] == "ok"


def test_a_leader_that_lost_nothing_is_resumed(start_server, link):
    """kill -9, but everything had been saved: the histories did not go apart."""
    leader, _, follower = pair(start_server, link, *SAVES)
    with leader.client() as client:
        client.set("a", 1)
        wait_for_equal(leader, follower)
        client.save()
    leader.kill()
    leader.start()
    wait_for_link(follower)
    assert (stat(leader, "sync_partial_ok"), stat(leader, "sync_full")) == (1, 0)
    with leader.client() as client:
        client.set("a", 2)
    wait_for_equal(leader, follower)


def write_bytes(client, wanted):
    """A write that takes exactly so many bytes in the log."""
    for length in range(wanted):
        parts = ["SET", "filler", "x" * length]
        frame = "*3\r\n" + "".join(f"${len(part)}\r\n{part}\r\n" for part in parts)
        if len(frame) == wanted:
            client.set("filler", "x" * length)


@pytest.mark.parametrize("catches_up", ["behind", "even", "ahead"])
def test_a_follower_that_is_ahead_is_noticed(start_server, link, catches_up):
    """The leader comes back without its last writes, which the follower has.

    While the follower is away the leader writes nothing, or until its offset is the one that
    the follower has, or beyond: by the number alone it would be a history to go on with.
    """
    leader, between, follower = pair(start_server, link, *SAVES, *SILENT)
    with leader.client() as client:
        client.set("kept", 1)
        client.save()
        saved = offset(leader)
        for n in range(10):
            client.set(f"lost {n}", 1)
    wait_for_equal(leader, follower)
    followed = offset(follower)
    assert followed > saved
    between.allow = False
    between.cut()
    leader.kill()
    leader.start()
    with leader.client() as client:
        assert client.get("lost 0") is None
        if catches_up != "behind":
            client.set("other", 1)
            write_bytes(client, followed - offset(leader))
            assert offset(leader) == followed
        if catches_up == "ahead":
            client.set("more", 1)
    between.allow = True
    wait_until(lambda: stat(leader, "sync_full") == 1, "a full sync")
    wait_for_equal(leader, follower)
    with follower.client() as client:
        assert client.get("kept") == "1"
        assert list(client.scan_iter("lost*")) == []
        assert client.get("other") == (None if catches_up == "behind" else "1")
    assert stat(leader, "sync_partial_ok") == 0
    assert stat(leader, "sync_partial_err") >= 1
    said = re.search(r"Partial resynchronization not accepted: Requested offset for second ID "
                     r"was (\d+), but I can reply up to (\d+)", leader.log())
    assert said, leader.log()
    assert (int(said[1]), int(said[2])) == (followed + 1, saved + 1)


def test_a_promoted_follower_and_a_leader_that_went_on(start_server, link):
    """Both write after the link is cut: whoever follows the other takes its data whole."""
    leader, between, follower = pair(start_server, link, *SAVES)
    leader.client().set("common", 1)
    wait_for_equal(leader, follower)
    between.allow = False
    between.cut()
    follower.client().replicaof("no", "one")
    for server, key in ((leader, "old"), (follower, "new")):
        for n in range(20):
            server.client().set(f"{key} {n}", 1)
    leader.client().replicaof("127.0.0.1", follower.port)
    wait_for_equal(follower, leader)
    with leader.client() as client:
        assert list(client.scan_iter("old*")) == []
        assert len(list(client.scan_iter("new*"))) == 20
        assert client.get("common") == "1"
    assert stat(follower, "sync_full") == 1


@pytest.mark.parametrize("end", ["shutdown", "sigterm", "kill"])
@pytest.mark.parametrize("saves", [True, False], ids=["rdb", "no rdb"])
def test_a_follower_that_restarts_is_resumed(start_server, link, end, saves):
    """Killed without a file of its own, it has the one that its full sync left."""
    leader, _, follower = pair(start_server, link, *(SAVES if saves else ("--save", "")))
    with leader.client() as client:
        client.mset({f"k{n}": n for n in range(100)})
        wait_for_equal(leader, follower)
        stop(follower, end)
        client.mset({f"k{n}": "away" for n in range(50, 150)})
        with leader.client(db=3) as third:
            third.set("elsewhere", 1)
        follower.start()
        wait_for_equal(leader, follower)
        client.set("again", 1)
    wait_for_equal(leader, follower)
    assert follower.client(db=3).get("elsewhere") == "1"
    counted = [stat(leader, f"sync_{kind}") for kind in ("full", "partial_ok", "partial_err")]
    assert counted == [1, 1, 0], follower.log()


@pytest.mark.parametrize("end", ["shutdown", "sigterm"])
def test_a_leader_that_restarts_is_resumed(start_server, link, end):
    leader, _, follower = pair(start_server, link, *SAVES)
    load = Load(leader, seed=SEED, reconnects=True)
    load.wait_for(20)
    # The load goes on until nobody answers, and after that.
    stop(leader, end)
    leader.start()
    load.wait_for(20)
    load.end()
    wait_for_link(follower)
    wait_until(lambda: digest(leader) == digest(follower), "the keyspaces are equal")
    assert (stat(leader, "sync_partial_ok"), stat(leader, "sync_full")) == (1, 0), follower.log()


def test_a_chain_restarts_from_its_files(start_server, link):
    """All are shut down, the last first, and started again, the last first."""
    chain = Chain(start_server, link, ["ours"] * 3, *SAVES, *SILENT)
    chain.wait_for_links()
    for db in range(3):
        with chain.leader.client(db=db) as client:
            client.mset({f"k{n}": n for n in range(100)})
    chain.wait_for_equal_data()
    for server in reversed(chain.servers):
        stop(server, "shutdown")
    for server in reversed(chain.servers):
        server.start()
    chain.wait_for_links()
    chain.leader.client().set("again", 1)
    chain.wait_for_equal_data()
    chain.check_contents()
    counted = [(stat(each, "sync_full"), stat(each, "sync_partial_ok"))
               for each in chain.servers]
    assert counted == [(0, 1), (0, 1), (0, 0)], chain.story()


def stop(server, how):
    if how == "kill":
        server.kill()
    elif how == "sigterm":
        server.signal(signal.SIGTERM)
    else:
        with server.client(retry=NO_RETRY) as client:
            client.shutdown()
    status = server.wait_for_exit()
    assert status == (-signal.SIGKILL if how == "kill" else 0)
