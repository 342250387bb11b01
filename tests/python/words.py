"""Random commands that every server understands, whatever they find: none of them fails.

The name of a key says its type (`set:7`), so that commands never meet another one. What is
said of streams names ids of its own, which only grow. Times to live are over soon or not in
any test's time: where keys kept ending, digests taken one after the other would never agree.
"""

DATABASES = 16


class Words:
    """Draws commands from `rng`.

    With `timed`, those too that give fields times to live; without `floats`, none that adds
    a fraction to a field.
    """

    def __init__(self, rng, timed=False, floats=True, last_id=0):
        self.rng = rng
        self.timed = timed
        self.floats = floats
        self.last_id = last_id

    def some(self):
        """Some commands that belong together, in any database."""
        kinds = [self.moves, self.in_one_database]
        return self.rng.choices(kinds, [1, 12])[0]()

    def in_one_database(self):
        kinds = [self.strings, self.keys, self.lists, self.sets, self.sorted_sets, self.hashes,
                 self.streams, self.bits, self.sorts]
        return self.rng.choices(kinds, [12, 6, 6, 6, 6, 6, 4, 3, 1])[0]()

    def large(self):
        """A value of each type in each of its large forms."""
        numbers = range(1000)
        texts = [f"text {n} {'x' * (n % 90)}" for n in numbers]
        scores = [word for n, text in enumerate(texts) for word in (n % 700 / 2, text)]
        pairs = [word for n, text in enumerate(texts) for word in (text, n * n)]
        entries = [["XADD", "stream:large", self.next_id(), *pairs[2 * n:2 * n + 6]]
                   for n in numbers[:500]]
        return [
            ["RPUSH", "list:large", *texts], ["RPUSH", "list:plain", "y" * 20_000, 1, 2],
            ["SADD", "set:large", *texts], ["SADD", "set:numbers", *numbers],
            ["SADD", "set:intset", *numbers[:300]], ["ZADD", "zset:large", *scores],
            ["HSET", "hash:large", *pairs], *entries,
            ["XGROUP", "CREATE", "stream:large", "group", "0"],
            ["XREADGROUP", "GROUP", "group", "one", "COUNT", 300, "STREAMS", "stream:large", ">"],
            ["XREADGROUP", "GROUP", "group", "two", "COUNT", 9, "STREAMS", "stream:large", ">"],
            ["SET", "key:large", "z" * 300_000], ["SETBIT", "bits:large", 999_999, 1],
            ["PFADD", "hll:large", *range(3000)],
        ]

    # --- the parts of commands ---

    def key(self, kind):
        return f"{kind}:{self.rng.randrange(30)}"

    def word(self):
        """A number or a word; few different ones, so that they meet."""
        rng = self.rng
        match rng.randrange(20):
            case 0:
                return rng.randbytes(rng.randrange(60, 70))
            case 1:
                return rng.randrange(-2 ** 63, 2 ** 63)
            case n if n < 10:
                return rng.randrange(-200, 200)
        return f"word {rng.randrange(200)}"

    def words(self, most=6):
        return [self.word() for _ in range(self.rng.randrange(1, most))]

    def score(self):
        return self.rng.choice([self.rng.randrange(-50, 50), self.rng.randrange(100) / 2])

    def next_id(self):
        self.last_id += 1
        return f"{self.last_id}-{self.rng.randrange(1, 3)}"

    # --- by type ---

    def strings(self):
        rng = self.rng
        key, other = (f"key:{n}" for n in rng.sample(range(3000), 2))
        number = f"number:{rng.randrange(100)}"
        return rng.choices([
            lambda: [["SET", key, rng.randbytes(rng.randrange(1, 100))]],
            lambda: [["SET", key, "fleeting", "PX", rng.randrange(1, 1500)]],
            lambda: [["INCRBY", number, rng.randrange(-50, 50)]],
            lambda: [["APPEND", key, "more"], ["SETRANGE", key, rng.randrange(60), "..."]],
            lambda: [["SET", key, rng.randbytes(rng.randrange(20_000, 150_000))]],
            lambda: [["MSET", key, 1, other, 2], ["MSETNX", "key:nx", 1, key, 2],
                     ["GETSET", other, "again"], ["INCRBYFLOAT", "float", "0.25"]],
            lambda: [["DEL", key, other], ["GETDEL", f"key:{rng.randrange(3000)}"]],
        ], [40, 20, 10, 10, 1, 4, 5])[0]()

    def keys(self):
        """What is done with keys of any type."""
        rng = self.rng
        kind = rng.choice(["list", "set", "zset", "hash", "stream", "key", "bits", "hll"])
        key, other = self.key(kind), self.key(kind)
        return rng.choice([
            lambda: [["PEXPIRE", key, rng.randrange(10 ** 7, 10 ** 8)], ["PERSIST", other]],
            lambda: [["PEXPIRE", key, rng.randrange(1, 1500)]],
            lambda: [["COPY", key, other, "REPLACE"]] if key != other else [],
            lambda: [["UNLINK", key]],
            lambda: [["DEL", other]],
        ])()

    def moves(self):
        """Values and databases that change places; transactions over several of them."""
        rng = self.rng
        key, other = (f"key:{n}" for n in rng.sample(range(3000), 2))
        number = f"number:{rng.randrange(100)}"
        kind = rng.choice(["list", "set", "zset", "hash", "stream"])
        db = rng.randrange(DATABASES)
        return rng.choices([
            lambda: [["SET", key, "renamed"], ["RENAME", key, other],
                     ["COPY", other, key, "DB", db, "REPLACE"],
                     ["SELECT", 1], ["MOVE", other, 2]],
            lambda: [["MULTI"], ["INCR", number], ["SELECT", db], ["INCR", number], ["EXEC"]],
            lambda: [["MULTI"], ["RPUSH", self.key("list"), 1], ["SADD", self.key("set"), 2],
                     ["SPOP", self.key("set")], ["ZADD", self.key("zset"), 1, 3],
                     ["HSET", self.key("hash"), "a", 4], ["EXEC"]],
            lambda: [["SELECT", 1], ["MOVE", self.key(kind), 2]],
            lambda: [["SWAPDB", rng.randrange(DATABASES), db]],
            lambda: [["FLUSHDB"]],
        ], [8, 8, 8, 8, 1, 0.3])[0]()

    def lists(self):
        rng = self.rng
        key, other = self.key("list"), self.key("list")
        end, to = rng.choice(["LEFT", "RIGHT"]), rng.choice(["LEFT", "RIGHT"])
        return rng.choice([
            lambda: [["LPUSH", key, *self.words()]],
            lambda: [["RPUSH", key, *self.words(30)]],
            lambda: [["RPUSH", key, *([self.word()] * rng.randrange(1, 400))]],
            lambda: [["LPOP", key], ["RPOP", key, rng.randrange(1, 9)]],
            lambda: [["LINSERT", key, "BEFORE", self.word(), self.word()]],
            lambda: [["LREM", key, rng.randrange(-3, 4), self.word()]],
            lambda: [["LTRIM", key, rng.randrange(3), rng.randrange(-4, 40)]],
            lambda: [["LMOVE", key, other, end, to], ["RPOPLPUSH", other, key]],
            lambda: [["LMPOP", 2, key, other, end, "COUNT", rng.randrange(1, 20)]],
            lambda: [["RPUSH", key, "x" * rng.randrange(3000, 12_000)]],
            lambda: [["RPUSH", key, 1, 2], ["PERSIST", key], ["RPUSH", key, 3],
                     ["LSET", key, rng.choice([0, -1]), self.word()]],
        ])()

    def sets(self):
        rng = self.rng
        key, other, to = self.key("set"), self.key("set"), self.key("set")
        stored = rng.choice(["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"])
        return rng.choice([
            lambda: [["SADD", key, *self.words(20)]],
            lambda: [["SADD", key, *rng.sample(range(-300, 300), rng.randrange(1, 200))]],
            lambda: [["SREM", key, *self.words(20)]],
            lambda: [["SPOP", key], ["SPOP", other, rng.randrange(0, 30)]],
            lambda: [["SMOVE", key, other, self.word()]],
            lambda: [[stored, to, key, other]],
        ])()

    def sorted_sets(self):
        rng = self.rng
        key, other, to = self.key("zset"), self.key("zset"), self.key("zset")
        how = rng.choice([[], ["GT"], ["LT", "CH"], ["NX"], ["XX"]])
        pairs = [part for word in self.words(20) for part in (self.score(), word)]
        low = rng.randrange(-60, 60)
        aggregate = rng.choice(["SUM", "MIN", "MAX"])
        return rng.choice([
            lambda: [["ZADD", key, *how, *pairs]],
            lambda: [["ZADD", key, *[part for n in range(200) for part in (n % 40, n)]]],
            lambda: [["ZINCRBY", key, self.score(), self.word()]],
            lambda: [["ZREM", key, *self.words(20)]],
            lambda: [["ZPOPMIN", key], ["ZPOPMAX", other, rng.randrange(1, 9)]],
            lambda: [["ZMPOP", 2, key, other, "MIN", "COUNT", rng.randrange(1, 20)]],
            lambda: [["ZREMRANGEBYSCORE", key, low, f"({low + 20}"]],
            lambda: [["ZREMRANGEBYRANK", key, rng.randrange(20), rng.randrange(40)]],
            lambda: [["ZRANGESTORE", to, key, low, low + 50, "BYSCORE", "LIMIT", 1, 40]],
            # No sums of sums: scores would grow until Redis 7 writes them with other digits.
            lambda: [["ZUNIONSTORE", to, 2, key, other,
                      "AGGREGATE", rng.choice(["MIN", "MAX"])]],
            lambda: [["ZINTERSTORE", to, 2, key, self.key("set"), "AGGREGATE", aggregate]],
            lambda: [["ZDIFFSTORE", to, 2, key, other]],
        ])()

    def hashes(self):
        rng = self.rng
        key, other = self.key("hash"), self.key("hash")
        names = [f"field {rng.randrange(60)}" for _ in range(rng.randrange(1, 20))]
        pairs = [part for name in names for part in (name, self.word())]
        counter = f"counter {rng.randrange(5)}"
        choices = [
            lambda: [["HSET", key, *pairs]],
            lambda: [["HSET", key, *[part for n in range(600) for part in (f"many {n}", n)]]],
            lambda: [["HDEL", key, *names, *[f"many {n}" for n in range(rng.randrange(600))]]],
            lambda: [["HINCRBY", key, counter, rng.randrange(-9, 9)]],
            lambda: [["HSETNX", other, *pairs[:2]], ["HMSET", key, *pairs]],
        ]
        if self.floats:
            choices.append(
                lambda: [["HINCRBYFLOAT", key, f"float {rng.randrange(5)}", "0.25"]])
        if self.timed:
            choices += self.times_of_fields(key, [f"field {n}" for n in rng.sample(range(60), 4)])
        return rng.choice(choices)()

    def times_of_fields(self, key, names):
        rng = self.rng
        ms = rng.choice([rng.randrange(1, 1500), rng.randrange(10 ** 7, 10 ** 8)])
        fields = ["FIELDS", len(names), *names]
        pairs = [part for name in names for part in (name, self.word())]
        return [
            lambda: [["HPEXPIRE", key, ms, *fields]],
            lambda: [["HEXPIRE", key, 50_000, rng.choice(["NX", "XX", "GT", "LT"]), *fields]],
            lambda: [["HPERSIST", key, *fields]],
            lambda: [["HSETEX", key, "PX", ms, "FIELDS", len(names), *pairs]],
            lambda: [["HSETEX", key, "KEEPTTL", "FIELDS", len(names), *pairs]],
            lambda: [["HGETEX", key, "PERSIST", *fields]],
            lambda: [["HGETEX", key, "PX", ms, *fields]],
            lambda: [["HGETDEL", key, *fields]],
        ]

    def streams(self):
        rng = self.rng
        key = self.key("stream")
        fields = self.words(5)
        pairs = [part for word in fields for part in (word, self.word())]
        trim = rng.choice([[], ["MAXLEN", "~", 100], ["MAXLEN", 20],
                           ["MINID", "~", max(self.last_id - 50, 0)]])
        ids = [f"{rng.randrange(max(self.last_id, 1))}-1" for _ in range(4)]
        return rng.choice([
            lambda: [["XADD", key, *trim, self.next_id(), *pairs]],
            lambda: [["XADD", key, self.next_id(), *pairs] for _ in range(20)],
            lambda: [["XDEL", key, *ids]],
            lambda: [["XTRIM", key, "MAXLEN", rng.choice(["~", "="]), rng.randrange(60)]],
            lambda: self.group(key),
            lambda: self.group(key)[:-1] + [["XGROUP", "DESTROY", key, f"g{self.last_id}"]],
        ])()

    def group(self, key):
        """A new group, and what its consumers read, claim and acknowledge.

        Consumers that claim are made before: one that a claim in vain makes is none that
        Redis 8 or Valkey tell their followers of.
        """
        rng = self.rng
        first, second, third = self.next_id(), self.next_id(), self.next_id()
        group = f"g{self.last_id}"
        read = ["XREADGROUP", "GROUP", group]
        return [
            # A key about to expire would be gone before the next command needs it.
            ["XADD", key, first, "a", 1], ["PERSIST", key], ["XADD", key, second, "b", 2],
            ["XGROUP", "CREATE", key, group, rng.choice(["0", first, "$"])],
            ["XADD", key, third, "c", 3],
            [*read, "one", "COUNT", rng.randrange(1, 9), "STREAMS", key, ">"],
            [*read, "two", "NOACK", "COUNT", 1, "STREAMS", key, ">"],
            ["XGROUP", "CREATECONSUMER", key, group, "three"],
            ["XGROUP", "CREATECONSUMER", key, group, "four"],
            ["XCLAIM", key, group, "three", 0, second, "JUSTID"],
            ["XAUTOCLAIM", key, group, "four", 0, "-", "COUNT", 2],
            ["XACK", key, group, first, third],
            ["XGROUP", "CREATECONSUMER", key, group, "idle"],
            ["XGROUP", "DELCONSUMER", key, group, rng.choice(["one", "none"])],
            ["XGROUP", "SETID", key, group, first],
        ]

    def bits(self):
        rng = self.rng
        key, other, to = self.key("bits"), self.key("bits"), self.key("bits")
        hll, more = self.key("hll"), self.key("hll")
        return rng.choice([
            lambda: [["SETBIT", key, rng.randrange(5000), rng.randrange(2)]],
            lambda: [["BITFIELD", key, "INCRBY", "i13", f"#{rng.randrange(90)}", rng.randrange(99),
                      "OVERFLOW", "SAT", "SET", "u5", 17, rng.randrange(70)]],
            lambda: [["BITOP", rng.choice(["AND", "OR", "XOR"]), to, key, other]],
            lambda: [["PFADD", hll, *self.words(40)], ["PFCOUNT", hll]],
            lambda: [["PFADD", hll, *[rng.randrange(10 ** 9) for _ in range(600)]]],
            lambda: [["PFMERGE", hll, more, self.key("hll")]],
        ])()

    def sorts(self):
        kind = self.rng.choice(["list", "set", "zset"])
        return [["SORT", self.key(kind), "ALPHA", "STORE", self.key("list")],
                ["SORT", self.key("set"), "BY", "none", "STORE", self.key("list")]]
