//! Scripts of a leader's bytes, each fed whole and cut at every byte.

use super::*;

const ID: &str = "0123456789abcdef0123456789abcdef01234567";
const MARK: &str = "abcdefabcdefabcdefabcdefabcdefabcdefabcd";

fn plain() -> Introduction {
    Introduction {
        listening_port: 6380,
        ..Introduction::default()
    }
}

fn resume(failover: bool) -> Option<Resume> {
    let id = ReplId::parse(ID.as_bytes())?;
    Some(Resume {
        id,
        end_offset: 100,
        failover,
    })
}

/// One step a line: `> ` what is sent, with `|` for line ends, `. ` and `! ` log lines.
fn describe(steps: &[Step]) -> String {
    let lines = steps.iter().map(|step| match step {
        Step::Send(bytes) => format!("> {}", lossy(bytes).replace("\r\n", "|")),
        Step::Log(line) if line == &LogLine::notice(&*line.text) => format!(". {}", line.text),
        Step::Log(line) => format!("! {}", line.text),
        Step::FullResync(Some((id, offset))) => format!("full {id} {offset}"),
        Step::FullResync(None) => "full".to_owned(),
        Step::Payload(Framing::Mark(mark)) => format!("mark {}", lossy(mark)),
        Step::Payload(Framing::LengthBytes(len)) => format!("length {len}"),
        Step::Continue(Some(id)) => format!("continue {id}"),
        Step::Continue(None) => "continue".to_owned(),
        Step::Failed(failure) => format!("failed {failure:?}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What comes of `script`, fed in pieces that end at `cut` and at its end; also how much
/// of it was consumed.
fn run(me: &Introduction, resume: Option<Resume>, script: &str, cut: usize) -> (String, usize) {
    let mut steps = Vec::new();
    let mut handshake = Handshake::start(me.clone(), resume, &mut steps);
    let bytes = script.as_bytes();
    let first = handshake.input(&bytes[..cut], &mut steps);
    let second = handshake.input(&bytes[first..], &mut steps);
    (describe(&steps), first + second)
}

/// Checks the steps that follow PING, and that the script is consumed up to its `^`.
#[track_caller]
fn check(me: &Introduction, resume: Option<Resume>, script: &str, expect: &str) {
    let (used, rest) = script.split_once('^').unwrap_or((script, ""));
    let script = format!("{used}{rest}");
    let expect = format!("> *1|$4|PING|\n{expect}");
    for cut in 0..=script.len() {
        let (steps, consumed) = run(me, resume, &script, cut);
        assert_eq!(steps, expect, "cut at {cut}");
        assert_eq!(consumed, used.len(), "cut at {cut}");
    }
}

const PONG: &str = ". Master replied to PING, replication can continue...";
const INTRODUCED: &str = "> *3|$8|REPLCONF|$14|listening-port|$4|6380|\
                          *7|$8|REPLCONF|$4|capa|$3|eof|$4|capa|$6|psync2|$4|capa|$6|rdb-12|";
const FROM_NOTHING: &str = ". Partial resynchronization not possible (no cached master)\n\
                            > *3|$5|PSYNC|$1|?|$2|-1|";

fn asked_to_resume() -> String {
    format!(
        "{PONG}\n{INTRODUCED}\n\
         . Trying a partial resynchronization (request {ID}:101).\n\
         > *3|$5|PSYNC|$40|{ID}|$3|101|"
    )
}

#[test]
fn a_first_sync_with_a_mark() {
    let script =
        format!("+PONG\r\n+OK\r\n+OK\r\n\n\n+FULLRESYNC {ID} 128\r\n\n$EOF:{MARK}\r\n^REDIS0011");
    let expect = format!(
        "{PONG}\n{INTRODUCED}\n{FROM_NOTHING}\n\
         . Full resync from master: {ID}:128\n\
         full {ID} 128\n\
         . MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF to disk\n\
         mark {MARK}"
    );
    check(&plain(), None, &script, &expect);
}

#[test]
fn everything_a_follower_can_say_of_itself() {
    let me = Introduction {
        password: Some(b"pw".to_vec()),
        user: Some(b"us".to_vec()),
        announce_ip: Some(b"9.9.9.9".to_vec()),
        version: Some("9.1.2".to_owned()),
        loads_from_socket: true,
        ..plain()
    };
    let unknown = "-ERR Unrecognized REPLCONF option: version";
    let script = format!(
        "-NOAUTH Authentication required.\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n{unknown}\r\n\
         +FULLRESYNC {ID} 0\r\n$172\r\n^REDIS"
    );
    let expect = format!(
        "{PONG}\n\
         > *3|$4|AUTH|$2|us|$2|pw|*3|$8|REPLCONF|$14|listening-port|$4|6380|\
         *3|$8|REPLCONF|$10|ip-address|$7|9.9.9.9|\
         *7|$8|REPLCONF|$4|capa|$3|eof|$4|capa|$6|psync2|$4|capa|$6|rdb-12|\
         *3|$8|REPLCONF|$7|version|$5|9.1.2|\n\
         . (Non critical) Master does not understand REPLCONF version: {unknown}\n\
         {FROM_NOTHING}\n\
         . Full resync from master: {ID}:0\n\
         full {ID} 0\n\
         . MASTER <-> REPLICA sync: receiving 172 bytes from master to parser\n\
         length 172"
    );
    check(&me, None, &script, &expect);
}

#[test]
fn a_resumed_stream_begins_behind_the_reply() {
    let new = ID.replace('0', "f");
    let script = format!("+PONG\r\n+OK\r\n+OK\r\n\n+CONTINUE {new}\r\n^*1\r\n$4\r\nPING\r\n");
    let done = ". Successful partial resynchronization with master.";
    let expect = format!("{}\n{done}\ncontinue {new}", asked_to_resume());
    check(&plain(), resume(false), &script, &expect);
    let expect = format!("{}\n{done}\ncontinue", asked_to_resume());
    let script = "+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n^*1\r\n";
    check(&plain(), resume(false), script, &expect);
}

#[test]
fn a_leader_that_cannot_now_is_asked_later() {
    for reply in [
        "-NOMASTERLINK Can't SYNC while not connected with my master",
        "-LOADING Redis is loading the dataset in memory",
    ] {
        let script = format!("+PONG\r\n+OK\r\n+OK\r\n{reply}\r\n^");
        let expect = format!(
            "{}\n. Master is currently unable to PSYNC but should be in the future: {reply}\n\
             failed TryLater",
            asked_to_resume()
        );
        check(&plain(), resume(false), &script, &expect);
    }
}

#[test]
fn an_old_leader_is_asked_by_sync() {
    let sync = "\n. Retrying with SYNC...\n> SYNC|\nfull\n\
                . MASTER <-> REPLICA sync: receiving 5 bytes from master to disk\nlength 5";
    let introduced = format!("{PONG}\n{INTRODUCED}\n{FROM_NOTHING}");
    for (reply, line) in [
        (
            "-ERR unknown command 'PSYNC'",
            ". Master does not support PSYNC or is in error state \
             (reply: -ERR unknown command 'PSYNC')",
        ),
        (
            "-READONLY no",
            "! Unexpected reply to PSYNC from master: -READONLY no",
        ),
        ("+OK", "! Unexpected reply to PSYNC from master: +OK"),
    ] {
        let script = format!("+PONG\r\n+OK\r\n+OK\r\n{reply}\r\n\n$5\r\n^REDIS");
        check(
            &plain(),
            None,
            &script,
            &format!("{introduced}\n{line}{sync}"),
        );
    }
    let script = "+PONG\r\n+OK\r\n+OK\r\n+CONTINUE x\r\n^*1\r\n";
    let expect = format!(
        "{introduced}\n! Unexpected reply to PSYNC from master: +CONTINUE x\nfailed TryLater"
    );
    check(&plain(), None, script, &expect);
}

#[test]
fn a_failover_is_asked_for_and_can_be_refused() {
    let asked = asked_to_resume().replace("*3|$5|PSYNC", "*4|$5|PSYNC") + "$8|FAILOVER|";
    let reply = "-ERR PSYNC FAILOVER replid must match my replid.";
    let script = format!("+PONG\r\n+OK\r\n+OK\r\n{reply}\r\n^");
    let expect = format!(
        "{asked}\n. Master does not support PSYNC or is in error state (reply: {reply})\n\
         failed FailoverRejected"
    );
    check(&plain(), resume(true), &script, &expect);
    let script = "+PONG\r\n+OK\r\n+OK\r\n+CONTINUE\r\n^";
    let done = ". Successful partial resynchronization with master.\ncontinue";
    check(&plain(), resume(true), script, &format!("{asked}\n{done}"));
}

#[test]
fn errors_end_it() {
    let script = "-ERR no\r\n^+OK\r\n";
    let expect = "! Error reply to PING from master: '-ERR no'\nfailed TryLater";
    check(&plain(), None, script, expect);
    let me = Introduction {
        password: Some(b"pw".to_vec()),
        user: Some(Vec::new()),
        ..plain()
    };
    let refusal = "-WRONGPASS invalid username-password pair or user is disabled.";
    let script = format!("+PONG\r\n{refusal}\r\n^+OK\r\n");
    let introduced = INTRODUCED.replace("> ", "> *2|$4|AUTH|$2|pw|");
    let expect =
        format!("{PONG}\n{introduced}\n! Unable to AUTH to MASTER: {refusal}\nfailed TryLater");
    check(&me, None, &script, &expect);
}

#[test]
fn a_snapshot_must_be_announced_properly() {
    let begun = format!("{PONG}\n{INTRODUCED}\n{FROM_NOTHING}");
    let script = format!(
        "+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC {ID} 9\r\n\
         -ERR BGSAVE failed, replication can't continue\r\n^"
    );
    let expect = format!(
        "{begun}\n. Full resync from master: {ID}:9\nfull {ID} 9\n\
         ! MASTER aborted replication with an error: \
         ERR BGSAVE failed, replication can't continue\nfailed TryLater"
    );
    check(&plain(), None, &script, &expect);
    let beyond = 1_u64 << 63;
    for from in ["short 9".to_owned(), format!("{ID} {beyond}")] {
        let script = format!("+PONG\r\n+OK\r\n+OK\r\n+FULLRESYNC {from}\r\nHTTP/1.1 400\r\n^");
        let expect = format!(
            "{begun}\n! Master replied with wrong +FULLRESYNC syntax.\nfull\n\
         ! Bad protocol from MASTER, the first byte is not '$' (we received 'HTTP/1.1 400'), \
         are you sure the host and port are right?\nfailed TryLater"
        );
        check(&plain(), None, &script, &expect);
    }
}

#[test]
fn a_line_without_end_is_given_up() {
    let mut steps = Vec::new();
    let mut handshake = Handshake::start(plain(), None, &mut steps);
    let endless = vec![b'+'; LINE_BYTES_MAX + 1];
    assert_eq!(handshake.input(&endless[1..], &mut steps), 0);
    assert_eq!(steps.len(), 1);
    assert_eq!(handshake.input(&endless, &mut steps), 0);
    let expect = "> *1|$4|PING|\n\
                  ! Failed to read response from the server: line too long\n\
                  ! Master did not respond to command during SYNC handshake\n\
                  failed TryLater";
    assert_eq!(describe(&steps), expect);
}
