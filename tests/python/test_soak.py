"""Long chains under load, whose links are cut, dark, stalled, slow and far, at random.

SOAK_SECONDS says how long it takes in all (60), SOAK_SEED repeats a run's choices.
"""

import os
import random
import time

import pytest

from load import Load
from peers import KINDS, Chain, found, info

SECONDS = float(os.environ.get("SOAK_SECONDS", 60))
SEED = os.environ.get("SOAK_SEED") or str(random.randrange(1_000_000))
ROUND = 12

CHAINS = [
    "ours redis-7 ours ours",
    "redis-8 ours valkey-9 ours redis-7 ours",
]


def as_available(kinds):
    """Where there is no Redis 8 or Valkey 9, Redis 7 stands in: the chain is soaked anyway."""
    here = lambda kind: KINDS[kind][0] in (None, "redis-server") or found(KINDS[kind][0])
    return [kind if here(kind) else "redis-7" for kind in kinds.split()]


class Trouble:
    """What befalls a link, one thing after another."""

    def __init__(self, chain, load, rng):
        self.chain, self.load, self.rng = chain, load, rng

    def strike(self):
        number = self.rng.randrange(len(self.chain.links))
        kinds = [self.cut, self.dark, self.stalled, self.slow, self.far]
        self.rng.choices(kinds, [5, 2, 1, 1, 1])[0](number)

    def some(self):
        self.load.wait_for(self.rng.randrange(5, 60))

    def cut(self, number):
        self.chain.cut(number)

    def dark(self, number):
        """Cut, and for a while there is no way through."""
        link = self.chain.links[number]
        link.allow = False
        link.cut()
        self.some()
        link.allow = True
        self.chain.wait_for_resumed(number)

    def stalled(self, number):
        link = self.chain.links[number]
        link.stalled = True
        self.some()
        ends_well = self.rng.random() < 0.5
        if not ends_well:
            link.cut()
        link.stalled = False
        if not ends_well:
            self.chain.wait_for_resumed(number)

    def slow(self, number):
        link = self.chain.links[number]
        link.bytes_per_s = self.rng.randrange(100_000, 1_000_000)
        self.some()
        self.chain.cut(number)
        self.some()
        link.bytes_per_s = None

    def far(self, number):
        link = self.chain.links[number]
        link.delay_s = self.rng.uniform(0.005, 0.2)
        self.some()
        self.chain.cut(number)
        self.some()
        link.delay_s = 0.0


@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.parametrize("kinds", CHAINS)
def test_soak(start_server, link, kinds):
    until = time.monotonic() + SECONDS / len(CHAINS)
    chain = Chain(start_server, link, as_available(kinds))
    load = Load(chain.leader, seed=SEED, **chain.allowed)
    chain.wait_for_links()
    trouble = Trouble(chain, load, random.Random(SEED))
    print(f"\nSOAK_SEED={SEED}: {chain.kinds}")
    while time.monotonic() < until:
        for _ in range(ROUND):
            trouble.strike()
        load.rest()
        chain.wait_for_equal_data()
        chain.check_syncs()
        load.go_on()
    load.end()
    chain.wait_for_equal_data()
    chain.check_contents()
    chain.check_syncs()
    offset = info(chain.leader, "replication", "master_repl_offset")
    print(f"{load.batches} batches, {offset} bytes, cuts {chain.cuts}, as many partial syncs, "
          f"one full sync a follower")
