"""The everyday API for strings and keys."""

import datetime
import time

import pytest
import redis


def test_set_and_get(client):
    assert client.set("name", "Grüße") is True
    assert client.get("name") == "Grüße"
    assert client.get("nothing") is None
    assert client.strlen("name") == 7
    assert client.append("name", "!") == 8
    assert client.getrange("name", 0, 1) == "Gr"
    assert client.setrange("name", 0, "gr") == 8
    assert client.getset("name", "new") == "grüße!"
    assert client.getdel("name") == "new"
    assert client.exists("name") == 0


def test_bytes_stay_bytes(server):
    with server.client(decode_responses=False) as client:
        every_byte = bytes(range(256)) * 100
        client.set(b"\x00key\r\n", every_byte)
        assert client.get(b"\x00key\r\n") == every_byte
        assert client.keys() == [b"\x00key\r\n"]


def test_set_options(client):
    assert client.set("a", "1", nx=True) is True
    assert client.set("a", "2", nx=True) is None
    assert client.set("b", "2", xx=True) is None
    assert client.set("a", "2", xx=True, get=True) == "1"
    assert client.set("a", "3", ex=100) is True
    assert 0 < client.ttl("a") <= 100
    assert client.set("a", "4", keepttl=True) is True
    assert 0 < client.pttl("a") <= 100_000
    assert client.set("a", "5") is True
    assert client.ttl("a") == -1
    assert client.set("a", "6", px=datetime.timedelta(seconds=7)) is True
    assert 6_000 < client.pttl("a") <= 7_000
    at = int(time.time()) + 50
    assert client.set("a", "7", exat=at) is True
    assert client.expiretime("a") == at
    with pytest.raises(redis.ResponseError, match="invalid expire time in 'set' command"):
        client.set("a", "8", ex=0)
    with pytest.raises(redis.ResponseError, match="syntax error"):
        client.execute_command("SET", "a", "8", "EX")


def test_many_at_once(client):
    assert client.mset({"a": 1, "b": 2, "c": 3}) is True
    assert client.mget("a", "nothing", "c") == ["1", None, "3"]
    assert client.msetnx({"c": 4, "d": 5}) in (False, 0)
    assert client.exists("a", "b", "d", "a") == 3
    assert client.delete("a", "b", "d") == 2
    assert client.unlink("c") == 1
    assert client.dbsize() == 0


def test_counters(client):
    assert client.incr("n") == 1
    assert client.incrby("n", 41) == 42
    assert client.decr("n", 2) == 40
    assert client.incrbyfloat("n", 0.5) == 40.5
    assert client.get("n") == "40.5"
    with pytest.raises(redis.ResponseError, match="value is not an integer or out of range"):
        client.incr("n")
    client.set("n", 2**63 - 1)
    with pytest.raises(redis.ResponseError, match="increment or decrement would overflow"):
        client.incr("n")


def test_expiry(client):
    client.set("a", 1)
    assert client.ttl("nothing") == -2
    assert client.expire("a", 100, nx=True) in (True, 1)
    assert client.expire("a", 50, gt=True) in (False, 0)
    assert client.expire("a", 50, lt=True) in (True, 1)
    assert client.persist("a") in (True, 1)
    assert client.persist("a") in (False, 0)
    assert client.pexpire("a", 30) in (True, 1)
    time.sleep(0.05)
    assert client.get("a") is None
    client.set("a", 1, px=20)
    time.sleep(0.05)
    assert client.exists("a") == 0
    client.set("a", 1)
    assert client.getex("a", ex=10) == "1"
    assert 0 < client.ttl("a") <= 10
    assert client.getex("a", persist=True) == "1"
    assert client.ttl("a") == -1


def test_keys_are_renamed_copied_moved(client):
    client.set("a", 1, ex=100)
    assert client.rename("a", "b") in (True, "OK")
    assert 0 < client.ttl("b") <= 100
    assert client.copy("b", "c") in (True, 1)
    assert client.renamenx("b", "c") in (False, 0)
    assert client.move("c", 1) in (True, 1)
    assert client.type("b") == "string" and client.type("c") == "none"
    assert client.touch("b", "c") == 1
    assert client.randomkey() == "b"
    with pytest.raises(redis.ResponseError, match="no such key"):
        client.rename("nothing", "d")


def test_scan_finds_every_key(client):
    client.mset({f"user:{n}": n for n in range(1000)} | {f"other:{n}": n for n in range(100)})
    found = list(client.scan_iter(match="user:*", count=50))
    assert set(found) == {f"user:{n}" for n in range(1000)}
    assert len(list(client.scan_iter(_type="string"))) == 1100
    assert list(client.scan_iter(_type="list")) == []
    assert sorted(client.keys("user:99?")) == [f"user:{n}" for n in range(990, 1000)]


def test_dump_and_restore(client):
    client.set("a", "x" * 1000)
    with pytest.raises(redis.ResponseError, match="DUMP payload version or checksum"):
        client.restore("b", 0, b"not a dump")


def test_dump_and_restore_bytes(server):
    with server.client(decode_responses=False) as client:
        client.set("a", "x" * 1000)
        payload = client.dump("a")
        assert client.restore("b", 60_000, payload) in (True, b"OK")
        assert client.get("b") == b"x" * 1000
        assert 0 < client.pttl("b") <= 60_000
        with pytest.raises(redis.ResponseError, match="Target key name already exists"):
            client.restore("b", 0, payload)
        assert client.restore("b", 0, payload, replace=True) in (True, b"OK")
        assert client.ttl("b") == -1


def test_object_information(client):
    client.mset({"number": 1, "short": "x" * 44, "long": "x" * 45})
    encodings = [client.object("encoding", key) for key in ("number", "short", "long")]
    assert encodings == ["int", "embstr", "raw"]
    assert client.object("refcount", "short") == 1
    assert client.object("idletime", "short") >= 0
