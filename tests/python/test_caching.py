"""redis-py's cache of what it has read, which the server's invalidations keep true."""

import pytest
from redis.cache import CacheConfig

from conftest import wait_until


@pytest.fixture
def reader(server):
    """A client that keeps what it reads."""
    with server.client(protocol=3, cache_config=CacheConfig()) as client:
        yield client


@pytest.fixture
def writer(server):
    with server.client() as client:
        yield client


def calls(client, command):
    return client.info("commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"]


def kept(reader):
    """The keys of what is in the cache."""
    return {key for entry in reader.get_cache().collection for key in entry.redis_keys}


def wait_for(read, expect):
    """An invalidation is under way when the write has been answered; it may not be there."""
    wait_until(lambda: read() == expect, lambda: f"it is read as {expect}, not as {read()}")


def test_what_was_read_is_not_asked_again(reader, writer):
    writer.set("a", "1")
    writer.hset("h", mapping={"f": "1", "g": "2"})
    writer.sadd("s", "one", "two")
    for _ in range(10):
        assert reader.get("a") == "1"
        assert reader.hgetall("h") == {"f": "1", "g": "2"}
        assert reader.smembers("s") == {"one", "two"}
        assert reader.mget("a", "none") == ["1", None]
    counted = [calls(writer, name) for name in ("get", "hgetall", "smembers", "mget")]
    assert counted == [1, 1, 1, 1]
    assert kept(reader) == {"a", "h", "s", "none"}


def test_a_write_of_another_client_is_seen(reader, writer):
    writer.set("a", "1")
    writer.hset("h", "f", "1")
    writer.set("b", "untouched")
    for n in range(2, 20):
        reader.get("a"), reader.hget("h", "f"), reader.get("b"), reader.get("none")
        writer.set("a", n)
        writer.hset("h", "f", n)
        wait_for(lambda: reader.get("a"), str(n))
        wait_for(lambda: reader.hget("h", "f"), str(n))
    writer.rename("a", "none")
    wait_for(lambda: reader.get("a"), None)
    wait_for(lambda: reader.get("none"), "19")
    asked = calls(writer, "get")
    assert reader.get("b") == "untouched"
    assert calls(writer, "get") == asked, "nobody has written it"


def test_the_clients_own_writes_are_seen_at_once(reader):
    """The invalidation comes before or with the reply: no waiting here."""
    for n in range(20):
        reader.set("a", n)
        assert reader.get("a") == str(n)
        assert reader.incr("a") == n + 1
        assert reader.get("a") == str(n + 1)


@pytest.mark.parametrize("transaction", [True, False])
def test_transactions_are_seen(reader, writer, transaction):
    """What others write with MULTI is seen, and what the client itself writes that way."""
    names = [f"k{n}" for n in range(50)]
    writer.mset({name: "old" for name in names})
    for client, value in ((writer, "theirs"), (reader, "ours")):
        for name in names:
            reader.get(name)
        assert kept(reader) == set(names)
        with client.pipeline(transaction=transaction) as pipe:
            for name in names:
                pipe.set(name, value)
                pipe.get(name)
            assert pipe.execute() == [True, value] * len(names)
        for name in names:
            wait_for(lambda: reader.get(name), value)


def test_an_expiry_is_seen(reader, writer):
    """Nobody asks for the key on the server: its own expiry tells."""
    writer.set("mortal", "1", px=150)
    writer.hset("h", "f", "1")
    writer.hpexpire("h", 150, "f")
    first = (reader.get("mortal"), reader.hget("h", "f"))
    assert first in [("1", "1"), ("1", None), (None, None)]
    wait_for(lambda: reader.get("mortal"), None)
    wait_for(lambda: reader.hget("h", "f"), None)
    writer.set("sentenced", "1")
    assert reader.get("sentenced") == "1"
    writer.pexpire("sentenced", 50)
    wait_for(lambda: reader.get("sentenced"), None)


@pytest.mark.parametrize("flush", ["flushall", "flushdb"])
def test_a_flush_empties_the_cache(reader, writer, flush):
    names = [f"k{n}" for n in range(50)]
    for _ in range(3):
        writer.mset({name: "1" for name in names})
        for name in names:
            wait_for(lambda: reader.get(name), "1")
        getattr(writer, flush)()
        wait_for(lambda: reader.get("k0"), None)
        asked = calls(writer, "get")
        assert [reader.get(name) for name in names[1:]] == [None] * 49
        assert calls(writer, "get") == asked + 49
