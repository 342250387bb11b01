//! The types of replies of the data types' commands, in both protocols, beside a Redis 8.

use super::support::*;

/// Few members each, so that no order is left to chance.
const FILL: &[&str] = &[
    "SADD one a",
    "SADD ints 1",
    "ZADD z 1 a 2.5 b inf c",
    "ZADD lex 0 a",
    "GEOADD places 13.361389 38.115556 Palermo",
    "HSET h f v",
    "RPUSH l 3 1 2",
    "SET bits abc",
    "PFADD hll a b",
];

const ASK: &[&str] = &[
    "SMEMBERS one",
    "SMEMBERS none",
    "SMISMEMBER one a b",
    "SISMEMBER one a",
    "SINTER one one",
    "SUNION one one",
    "SDIFF one ints",
    "SRANDMEMBER one",
    "SRANDMEMBER none",
    "SRANDMEMBER one 5",
    "SRANDMEMBER one -2",
    "SRANDMEMBER none 5",
    "SSCAN one 0",
    "SPOP none",
    "SPOP none 5",
    "SPOP one 5",
    "SINTERCARD 1 ints",
    "ZSCORE z b",
    "ZSCORE z none",
    "ZMSCORE z a none c",
    "ZINCRBY z 0.5 a",
    "ZADD z INCR 1 a",
    "ZADD z NX INCR 1 a",
    "ZADD z CH 9 a",
    "ZRANK z b",
    "ZRANK z none",
    "ZRANK z b WITHSCORE",
    "ZRANK z none WITHSCORE",
    "ZREVRANK none b WITHSCORE",
    "ZRANGE z 0 -1",
    "ZRANGE z 0 -1 WITHSCORES",
    "ZRANGE z 0 -1 REV WITHSCORES",
    "ZRANGE z -inf +inf BYSCORE WITHSCORES",
    "ZREVRANGE z 0 -1 WITHSCORES",
    "ZRANGEBYSCORE z -inf inf WITHSCORES",
    "ZREVRANGEBYSCORE z inf -inf WITHSCORES LIMIT 0 2",
    "ZRANGEBYLEX lex - +",
    "ZLEXCOUNT lex - +",
    "ZRANGE none 0 -1 WITHSCORES",
    "ZUNION 1 z",
    "ZUNION 2 z lex WITHSCORES",
    "ZINTER 2 z lex WITHSCORES",
    "ZDIFF 2 z none WITHSCORES",
    "ZDIFF 2 z lex",
    "ZRANDMEMBER lex",
    "ZRANDMEMBER none",
    "ZRANDMEMBER lex 4",
    "ZRANDMEMBER lex -2 WITHSCORES",
    "ZRANDMEMBER none 4 WITHSCORES",
    "ZSCAN z 0",
    "ZPOPMIN none",
    "ZPOPMIN none 3",
    "ZPOPMIN z",
    "ZADD z 1 a",
    "ZPOPMAX z 2",
    "ZADD z 1 a 2 b 3 c 4 d",
    "ZMPOP 2 none z MIN",
    "ZMPOP 1 z MAX COUNT 2",
    "ZMPOP 1 none MIN",
    "ZADD z 1 a 2 b 3 c 4 d 5 e",
    "BZPOPMIN z 0",
    "BZPOPMAX none z 0",
    "BZMPOP 0 1 z MIN COUNT 2",
    "BZPOPMIN none 0.001",
    "BZMPOP 0.001 1 none MAX",
    "GEOPOS places Palermo none",
    "GEODIST places Palermo Palermo",
    "GEODIST places Palermo none",
    "GEOHASH places Palermo none",
    "GEOSEARCH places FROMLONLAT 15 37 BYRADIUS 200 km",
    "GEOSEARCH places FROMLONLAT 15 37 BYRADIUS 200 km WITHDIST WITHCOORD WITHHASH",
    "GEORADIUS places 15 37 200 km WITHDIST",
    "GEORADIUS none 15 37 200 km",
    "SORT l",
    "SORT l GET # GET none_*",
    "SORT l STORE l2",
    "SORT_RO none",
    "BITFIELD bits GET u8 0 OVERFLOW FAIL INCRBY u2 0 9",
    "BITFIELD_RO bits GET u8 #1",
    "BITPOS bits 1",
    "BITCOUNT bits",
    "GETBIT bits 1",
    "PFCOUNT hll none",
    "PFMERGE hll2 hll",
    "OBJECT ENCODING z",
    "OBJECT ENCODING none",
];

#[test]
fn the_types_of_replies_are_redis_s() {
    let Some(peer) = Peer::start_8(&[]) else {
        return;
    };
    let ours = Server::start(&[]);
    let (mut ours, mut peer) = (ours.client(), peer.client());
    for resp3 in [false, true] {
        if resp3 {
            ours.resp3();
            peer.resp3();
        }
        for line in ["FLUSHALL"].iter().chain(FILL).chain(ASK) {
            let expect = peer.run(line).to_string();
            assert_eq!(ours.run(line).to_string(), expect, "{line}, RESP3: {resp3}");
        }
    }
}
