"""Us, Redis 7.0, Redis 8 and Valkey 9 lead and follow each other, and every link is cut."""

import pytest

from load import Load, fill
from peers import Chain

# Each other server leads us and follows us, in each of its ways to send or take a snapshot;
# then chains in which the data passes through several of them.
CHAINS = [
    "ours ours", "ours-disk ours",
    "redis-7 ours", "redis-7-disk ours", "ours redis-7", "ours-disk redis-7",
    "redis-8 ours", "redis-8-plain ours", "ours redis-8", "ours-disk redis-8-plain",
    "valkey-9 ours", "valkey-9-dual ours", "ours valkey-9", "ours valkey-9-dual",
    "ours ours ours",
    "redis-7 ours redis-7 ours",
    "redis-7 ours valkey-9 ours",
    "redis-8 ours redis-7 ours valkey-9",
    "valkey-9 ours redis-7",
    "ours valkey-9 ours redis-8 ours",
]


@pytest.mark.parametrize("kinds", CHAINS)
def test_cut_links_are_resumed(start_server, link, kinds):
    # Some of it comes with the full sync, the rest in the stream.
    chain = Chain(start_server, link, kinds.split(), fill=fill)
    load = Load(chain.leader, seed=kinds, **chain.allowed)
    chain.wait_for_links()
    for _ in range(3):
        for number in range(len(chain.links)):
            chain.cut(number)
    chain.links[0].delay_s = 0.05
    chain.cut(0)
    load.end()
    chain.wait_for_equal_data()
    chain.check_contents()
    chain.check_syncs()
