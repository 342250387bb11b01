//! Replies and log lines as Redis 7.0, Redis 8.0 and Valkey 9.1 gave them.

use super::*;
use crate::shared::introduction::{Replconf, replconf};

fn set(facts: &mut FollowerFacts, line: &str) -> Replconf {
    let args: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
    replconf(facts, &args, false)
}

#[track_caller]
fn refused(line: &str, text: &str) {
    let mut facts = FollowerFacts::default();
    assert_eq!(set(&mut facts, line), Replconf::Error(text.into()));
}

#[test]
fn replconf_gathers_facts() {
    let mut facts = FollowerFacts::default();
    assert_eq!(set(&mut facts, ""), Replconf::Ok);
    assert_eq!(set(&mut facts, "Listening-Port 6380"), Replconf::Ok);
    assert_eq!(set(&mut facts, "ip-address 10.0.0.7"), Replconf::Ok);
    let capa = "capa eof CAPA psync2 capa rdb-channel-repl";
    assert_eq!(set(&mut facts, capa), Replconf::Ok);
    assert_eq!(set(&mut facts, "version 9.1.2"), Replconf::Ok);
    assert_eq!(set(&mut facts, "rdb-only 1"), Replconf::Ok);
    let expect = FollowerFacts {
        listening_port: 6380,
        ip_address: Some(b"10.0.0.7".to_vec()),
        eof: true,
        psync2: true,
        redis_12: true,
        version: Some([9, 1, 2]),
        rdb_only: true,
        ..FollowerFacts::default()
    };
    assert_eq!(facts, expect);
    assert_eq!(
        set(&mut facts, "rdb-only 0 listening-port -4"),
        Replconf::Ok
    );
    assert_eq!((facts.rdb_only, facts.listening_port), (false, -4));
}

#[test]
fn replconf_refuses_in_redis_words() {
    refused("listening-port", "ERR syntax error");
    let integer = "ERR value is not an integer or out of range";
    refused("listening-port x", integer);
    refused("listening-port 9223372036854775808", integer);
    refused("listening-port +1", integer);
    refused("listening-port 01", integer);
    refused("listening-port -0", integer);
    refused("rdb-only x", integer);
    refused(
        "rdb-only 2",
        "ERR value is out of range, value must between 0 and 1",
    );
    refused("foo bar", "ERR Unrecognized REPLCONF option: foo");
    for version in ["abc", "9.1", "9.1.2.3", "300.1.2", "9..2", ""] {
        let mut facts = FollowerFacts::default();
        let answer = replconf(&mut facts, &[b"version", version.as_bytes()], false);
        let text = format!("ERR Unrecognized version format: {version}");
        assert_eq!(answer, Replconf::Error(text.into()));
    }
    let long = format!("ip-address {}", "a".repeat(300));
    let text = "ERR REPLCONF ip-address provided by replica instance is too long: 300 bytes";
    refused(&long, text);
}

#[test]
fn an_error_stops_between_the_pairs() {
    let mut facts = FollowerFacts::default();
    let line = "listening-port 1 foo bar listening-port 2";
    let text = "ERR Unrecognized REPLCONF option: foo";
    assert_eq!(set(&mut facts, line), Replconf::Error(text.into()));
    assert_eq!(facts.listening_port, 1);
}

#[test]
fn filters_leave_out_all_but_what_is_named() {
    let filter = |value: &str| {
        let mut facts = FollowerFacts::default();
        let answer = replconf(&mut facts, &[b"rdb-filter-only", value.as_bytes()], false);
        (answer, facts.exclude_data, facts.exclude_functions)
    };
    assert_eq!(filter(""), (Replconf::Ok, true, true));
    assert_eq!(filter("Functions"), (Replconf::Ok, true, false));
    let text = "ERR Unsupported rdb-filter-only option: bar";
    assert_eq!(filter("functions bar").0, Replconf::Error(text.into()));
    let text = "ERR Missing rdb-filter-only values";
    assert_eq!(filter("\"a"), (Replconf::Error(text.into()), false, false));
}

#[test]
fn acknowledgements_are_silent_and_only_grow() {
    let mut facts = FollowerFacts::default();
    let mut ack = |line: &str, is_follower| {
        let args: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
        let answer = replconf(&mut facts, &args, is_follower);
        (answer, facts.acked_offset, facts.aof_acked_offset)
    };
    assert_eq!(ack("ack 3", false), (Replconf::Silent, 0, 0));
    assert_eq!(ack("ack 3", true), (Replconf::Ack, 3, 0));
    assert_eq!(ack("ACK 9 FACK 7", true), (Replconf::Ack, 9, 7));
    assert_eq!(ack("ACK 8 FACK 6", true), (Replconf::Ack, 9, 7));
    assert_eq!(ack("ack x", true), (Replconf::Silent, 9, 7));
    assert_eq!(ack("ack 10 fack x", true), (Replconf::Silent, 10, 7));
    assert_eq!(ack("getack *", true), (Replconf::GetAck, 10, 7));
}

#[test]
fn followers_have_names() {
    let mut facts = FollowerFacts::default();
    assert_eq!(facts.name(None, 7), "client id #7");
    let unknown = "127.0.0.1:<unknown-replica-port>";
    assert_eq!(facts.name(Some("127.0.0.1"), 7), unknown);
    facts.listening_port = 6380;
    assert_eq!(facts.name(Some("127.0.0.1"), 7), "127.0.0.1:6380");
    assert_eq!(facts.name(Some("::1"), 7), "[::1]:6380");
    facts.ip_address = Some(b"10.0.0.7".to_vec());
    assert_eq!(facts.name(Some("::1"), 7), "10.0.0.7:6380");
}

const LEADER: Standing = Standing {
    is_follower: false,
    pending_output: false,
    leads: true,
    link_up: false,
    end_offset: 100,
    failing_over: false,
};

fn history() -> History {
    let mut history = History::new(ReplId::from_hex([b'a'; 40]));
    history.shift(ReplId::from_hex([b'b'; 40]), 50);
    history
}

fn request(line: &str) -> Request {
    let argv: Vec<&[u8]> = line.split_whitespace().map(str::as_bytes).collect();
    Request::parse(&argv)
}

fn screened(line: &str, standing: Standing) -> Screened {
    let facts = FollowerFacts::default();
    screen(&request(line), &facts, &history(), standing, "f:1")
}

#[track_caller]
fn refuses(line: &str, standing: Standing, text: &str) {
    match screened(line, standing) {
        Screened::Refuse(_, refusal) => assert_eq!(refusal, text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_request_must_come_at_the_right_time() {
    let asks = LogLine::notice("Replica f:1 asks for synchronization");
    assert_eq!(screened("PSYNC ? -1", LEADER), Screened::Proceed(asks));
    let follower = Standing {
        leads: false,
        ..LEADER
    };
    let linked = Standing {
        link_up: true,
        ..follower
    };
    assert!(matches!(screened("SYNC", linked), Screened::Proceed(_)));
    let (same, past) = (ReplId::from_hex([b'b'; 40]), ReplId::from_hex([b'a'; 40]));
    let behind = "NOMASTERLINK Can't SYNC before I have caught up with my master";
    refuses(&format!("PSYNC {same} 102"), linked, behind);
    for (id, next, standing) in [
        (same, 101, linked),
        (past, 102, linked),
        (same, 102, LEADER),
    ] {
        let proceeds = screened(&format!("PSYNC {id} {next}"), standing);
        assert!(matches!(proceeds, Screened::Proceed(_)), "{proceeds:?}");
    }
    let text = "NOMASTERLINK Can't SYNC while not connected with my master";
    refuses("SYNC", follower, text);
    let failing_over = Standing {
        failing_over: true,
        ..LEADER
    };
    let text = "NOMASTERLINK Can't SYNC while failing over";
    refuses("SYNC", failing_over, text);
    let pending_output = Standing {
        pending_output: true,
        ..LEADER
    };
    let text = "ERR SYNC and PSYNC are invalid with pending output";
    refuses("SYNC", pending_output, text);
    refuses("PSYNC ? x", LEADER, NOT_AN_INTEGER);
    let twice = Standing {
        is_follower: true,
        ..LEADER
    };
    assert_eq!(screened("SYNC", twice), Screened::Ignore);
}

#[test]
fn a_filtered_snapshot_needs_the_mark() {
    let mut facts = FollowerFacts {
        exclude_data: true,
        ..FollowerFacts::default()
    };
    let text = "ERR Filtered replica requires EOF capability".to_owned();
    let sync = Request::Sync;
    assert_eq!(
        screen(&sync, &facts, &history(), LEADER, "f:1"),
        Screened::Refuse(Vec::new(), text)
    );
    facts.eof = true;
    let proceeds = screen(&sync, &facts, &history(), LEADER, "f:1");
    assert!(matches!(proceeds, Screened::Proceed(_)));
}

#[test]
fn a_failover_request_makes_a_follower_lead() {
    let ours = "b".repeat(40);
    let line = format!("PSYNC {ours} 51 failover");
    let text = "ERR PSYNC FAILOVER can't be sent to a master.";
    refuses(&line, LEADER, text);
    let follower = Standing {
        leads: false,
        ..LEADER
    };
    let received = format!("Failover request received for replid {ours}.");
    let lines = vec![LogLine::notice(received)];
    assert_eq!(screened(&line, follower), Screened::Promote(lines));
    let other = format!("PSYNC {} 51 FAILOVER", "a".repeat(40));
    let text = "ERR PSYNC FAILOVER replid must match my replid.";
    refuses(&other, follower, text);
}

const BACKLOG: BacklogRange = BacklogRange {
    first_offset: 11,
    end_offset: 100,
};

fn answered(line: &str, backlog: Option<BacklogRange>) -> (String, Verdict) {
    let facts = FollowerFacts {
        psync2: true,
        ..FollowerFacts::default()
    };
    let answer = answer(&request(line), &facts, &history(), backlog, "f:1");
    let texts: Vec<String> = answer.log.into_iter().map(|line| line.text).collect();
    (texts.join("\n"), answer.verdict)
}

#[track_caller]
fn starts_over(line: &str, backlog: Option<BacklogRange>, reason: Reason, log: &str) {
    let verdict = Verdict::FullResync(reason);
    assert_eq!(answered(line, backlog), (log.to_owned(), verdict));
}

#[test]
fn what_the_backlog_holds_is_continued() {
    let (a, b) = ("a".repeat(40), "B".repeat(40));
    for (id, next) in [(&b, 11), (&b, 101), (&a, 51)] {
        let (log, verdict) = answered(&format!("PSYNC {id} {next}"), Some(BACKLOG));
        let reply = format!("+CONTINUE {}\r\n", "b".repeat(40)).into_bytes();
        let after = next - 1;
        assert_eq!(verdict, Verdict::Continue { after, reply });
        let expect = format!(
            "Partial resynchronization request from f:1 accepted. \
             Sending {} bytes of backlog starting from offset {next}.",
            100 - after
        );
        assert_eq!(log, expect);
    }
    let facts = FollowerFacts::default();
    let line = format!("PSYNC {b} 60");
    let answer = answer(&request(&line), &facts, &history(), Some(BACKLOG), "f:1");
    let reply = b"+CONTINUE\r\n".to_vec();
    assert_eq!(answer.verdict, Verdict::Continue { after: 59, reply });
}

#[test]
fn everything_else_starts_over() {
    let (a, b, c) = ("a".repeat(40), "b".repeat(40), "c".repeat(40));
    starts_over("SYNC", Some(BACKLOG), Reason::SyncCommand, "");
    let asked = "Full resync requested by replica f:1";
    starts_over("PSYNC ? -1", Some(BACKLOG), Reason::First, asked);
    let unknown = format!(
        "Partial resynchronization not accepted: Replication ID mismatch \
         (Replica asked for '{c}', my replication IDs are '{b}' and '{a}')"
    );
    starts_over(
        &format!("PSYNC {c} 1"),
        Some(BACKLOG),
        Reason::IdMismatch,
        &unknown,
    );
    let beyond = "Partial resynchronization not accepted: \
                  Requested offset for second ID was 52, but I can reply up to 51";
    starts_over(
        &format!("PSYNC {a} 52"),
        Some(BACKLOG),
        Reason::Diverged,
        beyond,
    );
    for (next, backlog) in [(10, Some(BACKLOG)), (-5, Some(BACKLOG)), (60, None)] {
        let lack = format!(
            "Unable to partial resync with replica f:1 for lack of backlog \
             (Replica request was: {next})."
        );
        starts_over(
            &format!("PSYNC {b} {next}"),
            backlog,
            Reason::BacklogMissed,
            &lack,
        );
    }
    let ahead = "Unable to partial resync with replica f:1 for lack of backlog \
                 (Replica request was: 102).\n\
                 Warning: replica f:1 tried to PSYNC with an offset that is greater than the \
                 master replication offset.";
    starts_over(
        &format!("PSYNC {b} 102"),
        Some(BACKLOG),
        Reason::OffsetAhead,
        ahead,
    );
}

#[test]
fn replies_and_lines_name_the_history() {
    let id = ReplId::from_hex([b'b'; 40]);
    let reply = format!("+FULLRESYNC {id} 128\r\n").into_bytes();
    assert_eq!(fullresync_reply(id, 128), reply);
    let (a, b) = ("a".repeat(40), "b".repeat(40));
    let shift = format!(
        "Setting secondary replication ID to {a}, valid up to offset: 51. \
         New replication ID is {b}"
    );
    assert_eq!(shift_line(&history()), LogLine::notice(shift));
    let created = format!(
        "Replication backlog created, my new replication IDs are '{b}' and '{}'",
        ReplId::NONE
    );
    let line = backlog_created_line(&History::new(id));
    assert_eq!(line, LogLine::notice(created));
}
