"""Function libraries: nothing here runs them, but they pass through files and links unharmed."""

import subprocess

import pytest
import redis

from conftest import needed, wait_for_link, wait_until
from peers import COMMON, program_of

FIRST = """#!lua name=first
local function greet(keys, args) return 'hello ' .. args[1] end
redis.register_function{function_name='greet', callback=greet, flags={'no-writes'}}
redis.register_function('put', function(keys, args) return redis.call('SET', keys[1], args[1]) end)
"""
SECOND = "#!lua name=second\nredis.register_function('two', function() return 2 end)\n"
# Long enough to be packed in files.
THIRD = SECOND.replace("second", "third").replace("two", "three") + "-- " + "much " * 1000

PEERS = ["redis-7", "redis-8", "valkey-9"]


def codes(server):
    with server.client() as client:
        return sorted(entry_of(found)["library_code"]
                      for found in client.execute_command("FUNCTION LIST", "WITHCODE"))


def entry_of(found):
    return found if isinstance(found, dict) else dict(zip(found[::2], found[1::2]))


@pytest.mark.parametrize("kind", PEERS)
def test_libraries_pass_from_peer_to_us_and_back(start_server, kind):
    leader = start_server(*COMMON, program=program_of(kind))
    with leader.client() as client:
        for code in (FIRST, SECOND):
            client.function_load(code)
    ours = start_server(*COMMON, "--replicaof", "127.0.0.1", leader.port)
    last = start_server(*COMMON, "--replicaof", "127.0.0.1", ours.port, program=program_of(kind))
    for follower in (ours, last):
        wait_for_link(follower)
        assert codes(follower) == [FIRST, SECOND]

    # What comes in the stream: one more, one less, and what a function wrote.
    with leader.client() as client:
        client.function_load(THIRD)
        client.function_load(FIRST.replace("hello", "hi"), replace=True)
        client.function_delete("second")
        client.fcall("put", 1, "key", "written")
    hi = FIRST.replace("hello", "hi")
    with ours.client() as client, last.client() as at_last:
        wait_until(lambda: at_last.get("key") == "written", "the stream has come")
        assert client.get("key") == "written"
        assert codes(ours) == codes(last) == sorted([hi, THIRD])
        with pytest.raises(redis.ReadOnlyError):
            client.function_load(SECOND)
        assert client.info("memory")["number_of_libraries"] == 2

    # Without its leader ours leads on, from its file.
    with ours.client() as client:
        client.save()
    leader.kill()
    ours.kill()
    ours.start()
    with ours.client() as client, last.client() as at_last:
        client.replicaof("NO", "ONE")
        wait_for_link(last)
        assert codes(ours) == sorted([hi, THIRD])
        assert at_last.fcall("greet", 0, "you") == "hi you"
        client.function_delete("third")
        wait_until(lambda: codes(last) == [hi], "the deletion has come")
        client.function_flush()
        wait_until(lambda: codes(last) == [], "the flush has come")


@pytest.mark.parametrize("kind", PEERS)
def test_a_peer_loads_the_libraries_of_our_file(start_server, kind):
    leader = start_server(*COMMON, program=program_of(kind))
    with leader.client(decode_responses=False) as client:
        client.function_load(FIRST)
        client.function_load(THIRD)
    ours = start_server(*COMMON, "--replicaof", "127.0.0.1", leader.port)
    wait_for_link(ours)
    with ours.client(decode_responses=False) as client:
        dumped = client.function_dump()
        client.save()
    file = ours.folder / "dump.rdb"
    subprocess.run([needed("redis-check-rdb"), file], check=True, capture_output=True, timeout=60)
    heir = start_server(*COMMON, program=program_of(kind))
    heir.kill()
    (heir.folder / "dump.rdb").write_bytes(file.read_bytes())
    heir.start()
    assert codes(heir) == sorted([FIRST, THIRD])
    with heir.client(decode_responses=False) as client:
        client.function_restore(dumped, "FLUSH")
        assert client.fcall("greet", 0, "you") == b"hello you"


def test_only_the_libraries_are_taken_out(start_server, tmp_path):
    leader = start_server(*COMMON, program=needed("redis-server"))
    with leader.client() as client:
        client.function_load(FIRST)
        client.set("key", "value")
    ours = start_server(*COMMON, "--replicaof", "127.0.0.1", leader.port)
    wait_for_link(ours)
    file = tmp_path / "functions.rdb"
    command = [needed("redis-cli"), "-p", str(ours.port), "--functions-rdb", file]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    heir = start_server(*COMMON, program=needed("redis-server"))
    heir.kill()
    (heir.folder / "dump.rdb").write_bytes(file.read_bytes())
    heir.start()
    assert codes(heir) == [FIRST]
    with heir.client() as client:
        assert client.dbsize() == 0


def test_a_full_sync_replaces_libraries(start_server):
    empty = start_server(*COMMON, program=needed("redis-server"))
    full = start_server(*COMMON, program=needed("redis-server"))
    with full.client() as client:
        client.function_load(FIRST)
    ours = start_server(*COMMON, "--replicaof", "127.0.0.1", full.port)
    wait_for_link(ours)
    assert codes(ours) == [FIRST]
    with ours.client() as client:
        client.replicaof("127.0.0.1", empty.port)
        wait_until(lambda: codes(ours) == [], "the libraries of the new leader")
