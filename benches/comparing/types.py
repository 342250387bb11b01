"""The tests `types` and `types-memory`: what the data types cost, in CPU and in memory."""

from .servers import Server

PIPELINE = 16
N = "__rand_int__"

# Each is (title, what to fill first, command, requests, range of its random numbers if it is not
# a million). A fill is (command, count): once with each number below the count; or, with a range
# as well, as often with random numbers.
SMALL_ZSET = (f"ZADD z {N} m:{N}", 100)
BIG_ZSET = (f"ZADD z {N} m:{N}", 1_000_000)
LIST = (f"RPUSH l {N}", 1000)
SETS = [(f"SADD {key} m:{N}", 100_000) for key in ("a", "b")]
ZSETS = [(f"ZADD {key} {N} m:{N}", 100_000) for key in ("a", "b")]
MANY = 1_000_000
CASES = [
    ("LPUSH", [], f"LPUSH l {N}", MANY),
    ("RPUSH", [], f"RPUSH l {N}", MANY),
    ("RPUSH to 100k lists", [], f"RPUSH l:{N} {N}", MANY, 100_000),
    ("LPOP", [(f"RPUSH l {N}", MANY)], "LPOP l", MANY),
    ("LRANGE of 100", [LIST], "LRANGE l 0 99", 100_000),
    ("LRANGE of 600", [LIST], "LRANGE l 0 599", 20_000),
    ("SORT of 100", [(f"RPUSH l {N}", 100)], "SORT l", 20_000),
    ("SADD", [], f"SADD s m:{N}", MANY),
    ("SPOP", [(f"SADD s m:{N}", MANY)], "SPOP s", MANY),
    ("SINTER of 100k", SETS, "SINTER a b", 50),
    ("SINTERSTORE of 100k", SETS, "SINTERSTORE c a b", 20),
    ("HSET of one small hash", [], f"HSET h field {N}", MANY),
    ("HSET of 100k small hashes", [], f"HSET h:{N} f1 {N} f2 {N} f3 {N}", MANY, 100_000),
    ("HSET of a hash of 1M", [], f"HSET h f:{N} {N}", MANY),
    ("HGETALL of 10", [(f"HSET h f:{N} {N}", 10)], "HGETALL h", 500_000),
    ("ZADD small", [SMALL_ZSET], f"ZADD z {N} m:{N}", MANY, 100),
    ("ZADD 1M", [BIG_ZSET], f"ZADD z {N} m:{N}", MANY),
    ("ZRANGE of 10, small", [SMALL_ZSET], "ZRANGE z 40 49", 500_000),
    ("ZRANGE of 10, 1M", [BIG_ZSET], "ZRANGE z 400000 400009", 500_000),
    ("ZRANK small", [SMALL_ZSET], f"ZRANK z m:{N}", MANY, 100),
    ("ZRANK 1M", [BIG_ZSET], f"ZRANK z m:{N}", MANY),
    ("ZUNIONSTORE of 100k", ZSETS, "ZUNIONSTORE c 2 a b", 16),
    ("XADD", [], f"XADD x * field {N}", MANY),
    (
        "XREADGROUP of 1",
        [("XGROUP CREATE x g 0 MKSTREAM", 1), (f"XADD x * field {N}", 300_000)],
        "XREADGROUP GROUP g c COUNT 1 STREAMS x >",
        300_000,
    ),
    ("BITCOUNT of 10 MB", [("SETBIT b 79999999 1", 1)], "BITCOUNT b", 1000),
    ("PFADD", [], f"PFADD p {N}", MANY),
    ("PFCOUNT", [(f"PFADD p {N}", 100_000)], "PFCOUNT p", MANY),
    (
        "PFMERGE",
        [(f"PFADD p {N}", 100_000), (f"PFADD q x{N}", 100_000)],
        "PFMERGE r p q",
        5000,
    ),
    (
        "GEOSEARCH",
        [(f"GEOADD g 12.{N} 55.{N} m:{N}", 10_000, 10**12)],
        "GEOSEARCH g FROMLONLAT 12.5 55.5 BYRADIUS 5 km",
        20_000,
    ),
]


# What is filled for these is gone afterwards.
CONSUMING = ("LPOP", "SPOP", "XREADGROUP")


def types(session):
    wanted = session.options.cases
    load = session.load(True)
    with session.running(session.plain_kinds, True) as servers:
        for title, fills, command, requests, *numbers in CASES:
            if wanted and not any(word in title for word in wanted.split(",")):
                continue
            once = fills and command.split()[0] not in CONSUMING

            def refill(server, fills=fills):
                server.client("FLUSHALL")
                for fill, count, *numbers in fills:
                    how = {"mode": "fill", "keys": session.shrunk(count)}
                    if numbers:
                        how = {"ops": session.shrunk(count), "keys": numbers[0], "warmup_ms": 0}
                    load.run(server, command=fill, pipeline=100, **how)

            def visit(name, once=once, command=command, requests=requests, numbers=numbers):
                if not once:
                    refill(servers[name])
                return load.run(
                    servers[name],
                    command=command,
                    keys=session.shrunk(*numbers or [1_000_000]),
                    pipeline=PIPELINE,
                    connections=session.options.connections,
                    ops=session.shrunk(requests),
                    warmup_ms=0,
                )

            if once:
                for server in servers.values():
                    refill(server)
            measures = {"server_us": session.measure(f"{title}: server CPU", "us/op")}
            session.paired(title, servers, visit, measures)


# Ten elements in each of 100,000 keys, and a million in one.
SHAPES = {
    "list": (f"RPUSH k:{N} " + "element:{i}", f"RPUSH k element:{N}"),
    "set": (f"SADD k:{N} " + "element:{i}", f"SADD k element:{N}"),
    "set of numbers": (f"SADD k:{N} " + "{i}", f"SADD k 1{N}"),
    "hash": (f"HSET k:{N} " + "field:{i} element:{i}", f"HSET k field:{N} {N}"),
    "sorted set": (f"ZADD k:{N} " + "{i} element:{i}", f"ZADD k {N} element:{N}"),
    "stream": (f"XADD k:{N} * " + "field element:{i}", f"XADD k * field {N}"),
}


def types_memory(session):
    """RSS, so that what an allocator wastes counts too; the keys themselves count as well."""
    load = session.load(False)
    few, big = session.scaled(100_000), session.scaled(1_000_000)
    for title, (small_command, big_command) in SHAPES.items():
        head, _, element = small_command.partition(f"{N} ")
        elements = [element.format(i=i) for i in range(10)]
        if title == "stream":
            small = [f"{head}{N} {element}" for element in elements]
        else:
            small = [f"{head}{N} {' '.join(elements)}"]
        for size, commands, keys, count in (
            (f"{few} of 10", small, few, 10 * few),
            (f"one of {big}", [big_command], big, big),
        ):
            measure = session.measure(f"RSS per element of a {title}, {size}", "bytes")
            measure.rounds.append({})
            for kind in session.plain_kinds:
                session.note(f"  {title}, {size}: {kind.name}")
                with Server(kind) as server:
                    empty = server.settled_rss()
                    for command in commands:
                        load.fill(server, keys, command=command)
                    measure.rounds[0][kind.name] = (server.settled_rss() - empty) / count
