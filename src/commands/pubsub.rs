//! Messages to whoever listens.
//!
//! PUBLISH takes a place among the writes: it holds the lock of its channel's shard while
//! it delivers and until the log has taken it, so that subscribers here and at every
//! follower hear one channel's messages in one order.
//!
//! Messages reach a connection through its queue of pushes, which is emptied between whole
//! replies; confirmations are replies. So that no message of a channel comes behind the
//! confirmation that it was left, what waits is sent before that confirmation.

use std::collections::BTreeSet;

use super::args::Args;
use super::cx::{Cx, Outcome};
use super::error::CmdError;
use super::help;
use super::spec::flag::{FAST, LOADING, MAY_REPLICATE, NOSCRIPT, PUBSUB, STALE};
use super::spec::{KeySpec, Locks, Spec, access};
use crate::oplog::Audience;
use crate::resp::reply::ReplyBuf;
use crate::shared::pubsub::PubSub;
use crate::shared::session::{ReplyMode, Session};

const LISTEN: u32 = PUBSUB | NOSCRIPT | LOADING | STALE;
const PUBLISH: u32 = PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE;
const ASK: u32 = PUBSUB | LOADING | STALE;

pub const COMMANDS: &[Spec] = &[
    Spec::new("subscribe", -2, LISTEN, 0, subscribe),
    Spec::new("unsubscribe", -1, LISTEN, 0, unsubscribe),
    Spec::new("psubscribe", -2, LISTEN, 0, psubscribe),
    Spec::new("punsubscribe", -1, LISTEN, 0, punsubscribe),
    Spec::new("ssubscribe", -2, LISTEN, 0, ssubscribe).keys(&[KeySpec::range(
        1,
        -1,
        1,
        access::NOT_KEY,
    )]),
    Spec::new("sunsubscribe", -1, LISTEN, 0, sunsubscribe).keys(&[KeySpec::range(
        1,
        -1,
        1,
        access::NOT_KEY,
    )]),
    Spec::new("publish", 3, PUBLISH, 0, publish).locks(Locks::Argument(1)),
    Spec::new("spublish", 3, PUBLISH, 0, spublish).keys(&[KeySpec::at(1, access::NOT_KEY)]),
    Spec::new("pubsub", -2, 0, 0, help::no_subcommand).subcommands(&[
        Spec::new("channels", -2, ASK, 0, channels),
        Spec::new("help", 2, LOADING | STALE, 0, pubsub_help),
        Spec::new("numpat", 2, ASK, 0, numpat),
        Spec::new("numsub", -2, ASK, 0, numsub),
        Spec::new("shardchannels", -2, ASK, 0, shardchannels),
        Spec::new("shardnumsub", -2, ASK, 0, shardnumsub),
    ]),
];

/// The three kinds of subscriptions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Channel,
    Pattern,
    Shard,
}

impl Kind {
    fn names(self, session: &mut Session) -> &mut BTreeSet<Box<[u8]>> {
        match self {
            Kind::Channel => &mut session.channels,
            Kind::Pattern => &mut session.patterns,
            Kind::Shard => &mut session.shard_channels,
        }
    }

    /// How many subscriptions the replies about this kind count.
    fn count(self, session: &Session) -> usize {
        match self {
            Kind::Channel | Kind::Pattern => session.subscriptions(),
            Kind::Shard => session.shard_channels.len(),
        }
    }

    fn begin(self, pubsub: &PubSub, name: &[u8], session: &Session) {
        match self {
            Kind::Channel => pubsub.subscribe(name, &session.facts),
            Kind::Pattern => pubsub.subscribe_pattern(name, &session.facts),
            Kind::Shard => pubsub.subscribe_shard(name, &session.facts),
        }
    }

    fn end(self, pubsub: &PubSub, name: &[u8], session: &Session) {
        match self {
            Kind::Channel => pubsub.unsubscribe(name, session.facts.id),
            Kind::Pattern => pubsub.unsubscribe_pattern(name, session.facts.id),
            Kind::Shard => pubsub.unsubscribe_shard(name, session.facts.id),
        }
    }
}

fn subscribe(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    listen(cx, args, Kind::Channel, "subscribe")
}

fn psubscribe(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    listen(cx, args, Kind::Pattern, "psubscribe")
}

fn ssubscribe(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    listen(cx, args, Kind::Shard, "ssubscribe")
}

fn listen(cx: &mut Cx, mut args: Args, kind: Kind, word: &str) -> Result<Outcome, CmdError> {
    while let Some(name) = args.next() {
        let is_new = kind.names(cx.session).insert(name.into());
        let count = kind.count(cx.session);
        confirm(cx, word, Some(name), count);
        if is_new {
            cx.session.add_name(name);
            kind.begin(&cx.shared.pubsub, name, cx.session);
        }
    }
    Ok(Outcome::Done)
}

fn unsubscribe(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    leave(cx, args, Kind::Channel, "unsubscribe")
}

fn punsubscribe(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    leave(cx, args, Kind::Pattern, "punsubscribe")
}

fn sunsubscribe(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    leave(cx, args, Kind::Shard, "sunsubscribe")
}

/// Leaves the channels named, or all; one confirmation comes in any case.
fn leave(cx: &mut Cx, mut args: Args, kind: Kind, word: &str) -> Result<Outcome, CmdError> {
    if !args.is_empty() {
        while let Some(name) = args.next() {
            leave_one(cx, kind, word, name);
        }
        return Ok(Outcome::Done);
    }
    let all: Vec<Box<[u8]>> = kind.names(cx.session).iter().cloned().collect();
    if all.is_empty() {
        let count = kind.count(cx.session);
        confirm(cx, word, None, count);
    }
    for name in all {
        leave_one(cx, kind, word, &name);
    }
    Ok(Outcome::Done)
}

fn leave_one(cx: &mut Cx, kind: Kind, word: &str, name: &[u8]) {
    if kind.names(cx.session).remove(name) {
        cx.session.remove_name(name);
        kind.end(&cx.shared.pubsub, name, cx.session);
        // EXEC's reply is one whole: nothing can go in between.
        if cx.session.facts.has_pushes() && speaks(cx.session) && !cx.in_transaction {
            cx.session.facts.take_pushes(cx.reply);
        }
    }
    let count = kind.count(cx.session);
    confirm(cx, word, Some(name), count);
}

fn confirm(cx: &mut Cx, word: &str, name: Option<&[u8]>, count: usize) {
    let write = |reply: &mut ReplyBuf| {
        reply.push(3);
        reply.bulk(word.as_bytes());
        match name {
            Some(name) => reply.bulk(name),
            None => reply.null(),
        }
        reply.integer(count as i64);
    };
    if speaks(cx.session) {
        return write(cx.reply);
    }
    // CLIENT REPLY keeps replies back, but not what is told of subscriptions.
    let mut message = ReplyBuf::with_protocol(cx.reply.resp3());
    write(&mut message);
    cx.session.facts.push(message.bytes());
}

/// Whether the reply that is being written will be sent.
fn speaks(session: &Session) -> bool {
    session.reply_mode == ReplyMode::On
}

fn publish(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let argv = args.argv();
    let (channel, message) = (argv.get(1), argv.get(2));
    let receivers = cx.shared.pubsub.publish(channel, message);
    log(cx, b"PUBLISH", channel, message);
    cx.reply.integer(receivers as i64);
    Ok(Outcome::Done)
}

fn spublish(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    let argv = args.argv();
    let (channel, message) = (argv.get(1), argv.get(2));
    let receivers = cx.shared.pubsub.publish_shard(channel, message);
    log(cx, b"SPUBLISH", channel, message);
    cx.reply.integer(receivers as i64);
    Ok(Outcome::Done)
}

/// Followers have subscribers too. A message changes no data, so it is not counted as a
/// change, and no file keeps it.
fn log(cx: &mut Cx, name: &[u8], channel: &[u8], message: &[u8]) {
    let db = cx.session.db;
    let effects = cx.store.effects();
    effects.log_for(db, &[name, channel, message], Audience::FollowersOnly);
    effects.instead_of_request();
}

fn channels(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    list(cx, args, PubSub::channels)
}

fn shardchannels(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    list(cx, args, PubSub::shard_channels)
}

type Names = fn(&PubSub, Option<&[u8]>) -> Vec<Box<[u8]>>;

fn list(cx: &mut Cx, mut args: Args, names: Names) -> Result<Outcome, CmdError> {
    if args.left() > 1 {
        return Err(help::wrong_shape(&args, "PUBSUB"));
    }
    let names = names(&cx.shared.pubsub, args.next());
    cx.reply.array(names.len());
    names.iter().for_each(|name| cx.reply.bulk(name));
    Ok(Outcome::Done)
}

fn numpat(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    cx.reply.integer(cx.shared.pubsub.pattern_count() as i64);
    Ok(Outcome::Done)
}

fn numsub(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    count(cx, args, PubSub::subscribers)
}

fn shardnumsub(cx: &mut Cx, args: Args) -> Result<Outcome, CmdError> {
    count(cx, args, PubSub::shard_subscribers)
}

type Count = fn(&PubSub, &[u8]) -> usize;

fn count(cx: &mut Cx, mut args: Args, subscribers: Count) -> Result<Outcome, CmdError> {
    // No map, not even in RESP3.
    cx.reply.array(args.left() * 2);
    while let Some(channel) = args.next() {
        cx.reply.bulk(channel);
        let count = subscribers(&cx.shared.pubsub, channel);
        cx.reply.integer(count as i64);
    }
    Ok(Outcome::Done)
}

fn pubsub_help(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    help::reply(
        cx,
        "PUBSUB",
        &[
            "CHANNELS [<pattern>]",
            "    List the channels with subscribers, or those that match <pattern>.",
            "NUMPAT",
            "    Count the patterns that clients are subscribed to.",
            "NUMSUB [<channel> ...]",
            "    Count each channel's subscribers, those by pattern left out.",
            "SHARDCHANNELS [<pattern>]",
            "    List the shard channels with subscribers, or those that match <pattern>.",
            "SHARDNUMSUB [<shardchannel> ...]",
            "    Count each shard channel's subscribers.",
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::testing::TestServer;

    /// The messages that wait for the server's client.
    fn pushes(server: &TestServer) -> String {
        let mut out = ReplyBuf::new();
        server.session.facts.take_pushes(&mut out);
        String::from_utf8_lossy(out.bytes()).replace("\r\n", " ")
    }

    #[test]
    fn subscriptions_are_counted_and_confirmed() {
        let mut server = TestServer::new();
        server.check(
            "SUBSCRIBE a b a",
            "[\"subscribe\", \"a\", :1] [\"subscribe\", \"b\", :2] [\"subscribe\", \"a\", :2]",
        );
        server.check("PSUBSCRIBE p*", "[\"psubscribe\", \"p*\", :3]");
        server.check("SSUBSCRIBE s", "[\"ssubscribe\", \"s\", :1]");
        server.check("PING", "[\"pong\", \"\"]");
        server.check("PING hello", "[\"pong\", \"hello\"]");
        server.check("PUBSUB NUMSUB a b c", "[\"a\", :1, \"b\", :1, \"c\", :0]");
        server.check("PUBSUB NUMPAT", ":1");
        server.check("PUBSUB CHANNELS b*", "[\"b\"]");
        server.check("PUBSUB SHARDCHANNELS", "[\"s\"]");
        server.check("PUBSUB SHARDNUMSUB s a", "[\"s\", :1, \"a\", :0]");
        server.check(
            "UNSUBSCRIBE",
            "[\"unsubscribe\", \"a\", :2] [\"unsubscribe\", \"b\", :1]",
        );
        server.check("UNSUBSCRIBE", "[\"unsubscribe\", nil, :1]");
        server.check("UNSUBSCRIBE x", "[\"unsubscribe\", \"x\", :1]");
        server.check("PUNSUBSCRIBE", "[\"punsubscribe\", \"p*\", :0]");
        server.check("SUNSUBSCRIBE s", "[\"sunsubscribe\", \"s\", :0]");
        server.check("SUNSUBSCRIBE", "[\"sunsubscribe\", nil, :0]");
        server.check("PING", "+PONG");
        server.check("PUBSUB CHANNELS", "[]");
    }

    #[test]
    fn messages_go_to_subscribers_and_followers() {
        let mut server = TestServer::new();
        server.run("SUBSCRIBE news");
        server.run("PSUBSCRIBE n*");
        server.run("SSUBSCRIBE news");
        server.check_all("publish news hi", ":2", &["PUBLISH news hi"], &[]);
        assert_eq!(
            pushes(&server),
            "*3 $7 message $4 news $2 hi *4 $8 pmessage $2 n* $4 news $2 hi "
        );
        server.check_all("SPUBLISH news x", ":1", &["SPUBLISH news x"], &[]);
        assert_eq!(pushes(&server), "*3 $8 smessage $4 news $1 x ");
        server.check_all("PUBLISH other hi", ":0", &["PUBLISH other hi"], &[]);
        assert_eq!(server.changes(), 0);
    }

    /// A message that came before a channel was left is not sent after the goodbye.
    #[test]
    fn nothing_comes_behind_the_goodbye() {
        let mut server = TestServer::resp3();
        server.session.facts.change_protocol(true, None);
        server.check("SUBSCRIBE a", ">[\"subscribe\", \"a\", :1]");
        server.run("PUBLISH a hi");
        server.check(
            "UNSUBSCRIBE a",
            ">[\"message\", \"a\", \"hi\"] >[\"unsubscribe\", \"a\", :0]",
        );
        assert_eq!(pushes(&server), "");
        server.check("UNSUBSCRIBE", ">[\"unsubscribe\", _, :0]");
    }

    #[test]
    fn confirmations_come_even_without_replies() {
        let mut server = TestServer::new();
        server.run("CLIENT REPLY OFF");
        server.check("SUBSCRIBE a", "");
        server.run("PUBLISH a x");
        assert_eq!(
            pushes(&server),
            "*3 $9 subscribe $1 a :1 *3 $7 message $1 a $1 x "
        );
        server.check("UNSUBSCRIBE a", "");
        assert_eq!(pushes(&server), "*3 $11 unsubscribe $1 a :0 ");
    }

    #[test]
    fn questions_that_are_wrong() {
        let mut server = TestServer::new();
        server.check(
            "PUBSUB CHANNELS x y",
            "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. \
             Try PUBSUB HELP.",
        );
        server.check(
            "PUBSUB NUMPAT x",
            "-ERR wrong number of arguments for 'pubsub|numpat' command",
        );
        assert!(
            server
                .run("PUBSUB HELP")
                .starts_with("[+PUBSUB <subcommand> ")
        );
    }
}
