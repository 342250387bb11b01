"""Connections, pipelines, transactions, publish/subscribe, pools and asyncio."""

import asyncio
import threading
import time

import pytest
import redis
import redis.asyncio

from conftest import NO_RETRY, wait_until


def test_information(client):
    assert client.info()["role"] == "master"
    assert client.info("server")["redis_mode"] == "standalone"
    assert client.info("keyspace") == {}
    client.set("a", 1)
    assert client.info("keyspace")["db0"]["keys"] == 1
    assert client.echo("hello") == "hello"
    seconds, microseconds = client.time()
    assert abs(seconds - time.time()) < 60 and 0 <= microseconds < 1_000_000
    assert client.command_count() > 50
    assert "get" in client.command_list()


def test_configuration(client):
    assert client.config_get("maxmemory") == {"maxmemory": "0"}
    assert client.config_set("maxmemory", "100mb") in (True, "OK")
    assert client.config_get("maxmem*")["maxmemory"] == str(100 * 1024 * 1024)
    with pytest.raises(redis.ResponseError, match="Unknown option or number of arguments"):
        client.config_set("no-such-option", 1)


def test_clients_are_known_by_name(server):
    with server.client(client_name="reporter") as client:
        assert client.client_getname() == "reporter"
        mine = [each for each in client.client_list() if each["name"] == "reporter"]
        assert len(mine) == 1
        assert int(mine[0]["id"]) == client.client_id()
        with server.client(client_name="victim") as victim:
            victim_id = victim.client_id()
            assert client.client_kill_filter(_id=victim_id) == 1
            # The pool of the killed client connects again.
            assert victim.client_id() != victim_id


def test_databases_are_apart(server):
    with server.client(db=0) as zero, server.client(db=1) as one:
        zero.set("a", "zero")
        assert one.get("a") is None
        one.set("a", "one")
        zero.swapdb(0, 1)
        assert (zero.get("a"), one.get("a")) == ("one", "zero")
        assert one.flushdb() is True
        assert (zero.dbsize(), one.dbsize()) == (1, 0)
        assert zero.flushall() is True
        assert zero.dbsize() == 0
    with pytest.raises(redis.ResponseError, match="DB index is out of range"):
        with server.client(db=16) as client:
            client.ping()


def test_password(start_server):
    server = start_server("--save", "", "--requirepass", "secret")
    with pytest.raises(redis.AuthenticationError):
        server.client(retry=NO_RETRY).get("a")
    with pytest.raises(redis.AuthenticationError):
        server.client(password="wrong", retry=NO_RETRY).get("a")
    for protocol in (2, 3):
        assert server.client(password="secret", protocol=protocol).ping()
        assert server.client(username="default", password="secret", protocol=protocol).ping()


def test_pipeline(client):
    with client.pipeline(transaction=False) as pipe:
        for n in range(1000):
            pipe.set(f"k{n}", n)
            pipe.get(f"k{n}")
        replies = pipe.execute()
    assert replies == [each for n in range(1000) for each in (True, str(n))]
    with client.pipeline(transaction=False) as pipe:
        pipe.set("text", "x").incr("text").get("text")
        replies = pipe.execute(raise_on_error=False)
    assert replies[0] is True and replies[2] == "x"
    assert isinstance(replies[1], redis.ResponseError)


def test_transaction(client):
    with client.pipeline() as pipe:
        assert pipe.set("a", 1).incr("a").get("a").execute() == [True, 2, "2"]
        pipe.execute_command("NOSUCHCOMMAND")
        pipe.set("a", 9)
        with pytest.raises(redis.ResponseError):
            pipe.execute()
    assert client.get("a") == "2"


def test_watch(client, server):
    client.set("balance", 10)
    with client.pipeline() as pipe, server.client() as other:
        pipe.watch("balance")
        balance = int(pipe.get("balance"))
        other.set("balance", 99)
        pipe.multi()
        pipe.set("balance", balance + 1)
        with pytest.raises(redis.WatchError):
            pipe.execute()
        assert client.get("balance") == "99"

        pipe.watch("balance")
        pipe.multi()
        pipe.incr("balance")
        assert pipe.execute() == [100]


def test_transaction_helper_under_contention(server):
    def add(times):
        with server.client() as client:
            for _ in range(times):
                client.transaction(
                    lambda pipe: (value := int(pipe.get("n") or 0), pipe.multi(),
                                  pipe.set("n", value + 1)), "n")

    threads = [threading.Thread(target=add, args=(50,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.client().get("n") == "200"


def test_publish_and_subscribe(client):
    with client.pubsub() as pubsub:
        pubsub.subscribe("news")
        pubsub.psubscribe("new?", "other*")
        kinds = [pubsub.get_message(timeout=30)["type"] for _ in range(3)]
        assert kinds == ["subscribe", "psubscribe", "psubscribe"]
        assert client.publish("news", "hello") == 2
        messages = [pubsub.get_message(timeout=30) for _ in range(2)]
        assert [(m["type"], m["pattern"], m["channel"], m["data"]) for m in messages] == [
            ("message", None, "news", "hello"), ("pmessage", "new?", "news", "hello")]
        assert client.pubsub_channels() == ["news"]
        assert client.pubsub_numpat() == 2
        assert dict(client.pubsub_numsub("news", "nobody")) == {"news": 1, "nobody": 0}
        pubsub.unsubscribe("news")
        assert pubsub.get_message(timeout=30)["type"] == "unsubscribe"
        assert client.publish("news", "again") == 1


def test_subscriber_thread(client):
    heard = []
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(**{"jobs": lambda message: heard.append(message["data"])})
        thread = pubsub.run_in_thread(sleep_time=0.01)
        try:
            wait_until(lambda: client.publish("jobs", "first") == 1, "somebody listens")
            for n in range(100):
                client.publish("jobs", n)
            wait_until(lambda: len(heard) == 101, "all messages are heard")
        finally:
            thread.stop()
            thread.join(10)
    assert heard == ["first", *map(str, range(100))]


def test_resp3_subscriber_still_commands(server):
    with server.client(protocol=3) as client, client.pubsub() as pubsub:
        pubsub.subscribe("news")
        assert pubsub.get_message(timeout=30)["type"] == "subscribe"
        pubsub.execute_command("GET", "a")
        assert client.publish("news", "x") == 1


def test_blocking_pool(server):
    pool = redis.BlockingConnectionPool(
        port=server.port, max_connections=3, timeout=20, decode_responses=True)
    client = redis.Redis(connection_pool=pool)

    def work():
        for _ in range(100):
            client.incr("n")

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("n") == "1000"
    # The pool's connections, and nobody else's.
    assert len(client.client_list()) <= 3
    pool.disconnect()


@pytest.mark.parametrize("protocol", [2, 3])
def test_asyncio(server, protocol):
    async def scenario():
        client = redis.asyncio.Redis(
            port=server.port, decode_responses=True, protocol=protocol)
        async with client:
            await asyncio.gather(*(client.set(f"k{n}", n) for n in range(50)))
            values = await asyncio.gather(*(client.get(f"k{n}") for n in range(50)))
            assert values == [str(n) for n in range(50)]
            async with client.pipeline(transaction=True) as pipe:
                assert await pipe.incr("n").incr("n").execute() == [1, 2]
            assert len([key async for key in client.scan_iter("k*")]) == 50
            async with client.pubsub() as pubsub:
                await pubsub.subscribe("news")
                assert (await pubsub.get_message(timeout=30))["type"] == "subscribe"
                await client.publish("news", "hello")
                assert (await pubsub.get_message(timeout=30))["data"] == "hello"

    asyncio.run(scenario())


def test_idle_connections_are_closed(start_server):
    server = start_server("--save", "", "--timeout", "1")
    with server.client() as client, server.client() as busy:
        first = client.client_id()
        wait_until(lambda: str(first) not in {each["id"] for each in busy.client_list()},
                   "an idle connection is closed")
        # The pool notices and connects again.
        assert client.client_id() != first
