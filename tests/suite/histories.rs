//! Histories: who may go on where, when leaders change, end and come back. Everything that
//! can be continued is, and nothing else.

use super::support::*;

fn id(server: &Server) -> String {
    field(server, "replication", "master_replid")
}

fn follow(server: &Server, leader: &Server) {
    let command = format!("REPLICAOF 127.0.0.1 {}", leader.port);
    check(&mut server.client(), &command, "+OK");
}

#[track_caller]
fn has(server: &Server, values: &str) {
    check(&mut server.client(), "MGET one two three", values);
}

#[test]
fn a_chain_changes_its_head_and_its_direction() {
    use Kind::{Ours, Redis};
    let kinds = [
        [Ours, Ours, Ours],
        [Redis, Ours, Redis],
        [Ours, Redis, Ours],
        [Redis, Ours, Ours],
    ];
    for [first, second, third] in kinds {
        let Some(a) = start(first, &[]) else {
            continue;
        };
        let Some(b) = start_follower(second, a.port, &[]) else {
            continue;
        };
        wait_for_link(&b);
        let Some(c) = start_follower(third, b.port, &[]) else {
            continue;
        };
        wait_for_link(&c);
        let context = format!("{first:?} {second:?} {third:?}");
        check(&mut a.client(), "SET one 1", "+OK");
        wait_for_offset(&a, &b);
        wait_for_offset(&a, &c);
        let old_id = id(&a);
        // The second becomes the head; the third hears of the new name and goes on.
        check(&mut b.client(), "REPLICAOF NO ONE", "+OK");
        check(&mut b.client(), "SET two 2", "+OK");
        wait_for_offset(&b, &c);
        assert_ne!(id(&b), old_id, "{context}");
        assert_eq!(id(&b), id(&c), "{context}");
        assert_eq!(
            field(&c, "replication", "master_replid2"),
            old_id,
            "{context}"
        );
        // The old head goes to the chain's end.
        follow(&a, &c);
        wait_for_offset(&b, &a);
        check(&mut b.client(), "SET three 3", "+OK");
        wait_for_offset(&b, &a);
        for server in [&a, &b, &c] {
            has(server, r#"["1", "2", "3"]"#);
        }
        let fulls = [&a, &b, &c].map(|server| stat(server, "sync_full"));
        assert_eq!(fulls, [1, 1, 0], "{context}");
        assert_eq!(stat(&c, "sync_partial_ok"), 1, "{context}");
    }
}

#[test]
fn a_leader_that_wrote_on_alone_is_not_merged() {
    for (leading, following) in PAIRS {
        let Some(old) = start(leading, &[]) else {
            continue;
        };
        let Some(new) = start_follower(following, old.port, &[]) else {
            continue;
        };
        wait_for_link(&new);
        check(&mut old.client(), "SET one 1", "+OK");
        wait_for_offset(&old, &new);
        check(&mut new.client(), "REPLICAOF NO ONE", "+OK");
        check(&mut old.client(), "SET two old", "+OK");
        check(&mut new.client(), "SET two new", "+OK");
        follow(&old, &new);
        wait_for_offset(&new, &old);
        has(&old, r#"["1", "new", nil]"#);
        assert_eq!(stat(&new, "sync_full"), 1, "{leading:?} {following:?}");
        if following == Kind::Ours {
            let reason = field(&new, "replication", "sync_full_last_reason");
            assert_eq!(reason, "diverged", "{leading:?}");
        }
    }
}

#[test]
fn what_a_crash_lost_is_lost_everywhere() {
    for following in [Kind::Ours, Kind::Redis] {
        let Some(mut leader) = start(Kind::Ours, &[]) else {
            continue;
        };
        let Some(follower) = start_follower(following, leader.port, &[]) else {
            continue;
        };
        wait_for_link(&follower);
        check_all(
            &mut leader.client(),
            &[("SET one 1", "+OK"), ("SAVE", "+OK"), ("SET two 2", "+OK")],
        );
        wait_for_offset(&leader, &follower);
        has(&follower, r#"["1", "2", nil]"#);
        leader.kill();
        leader.restart();
        check(&mut leader.client(), "SET three 3", "+OK");
        wait_for_offset(&leader, &follower);
        has(&follower, r#"["1", nil, "3"]"#);
        let reason = field(&leader, "replication", "sync_full_last_reason");
        assert_eq!(reason, "diverged", "{following:?}");
    }
}

#[test]
fn a_crash_that_lost_nothing_costs_nothing() {
    for following in [Kind::Ours, Kind::Redis] {
        let Some(mut leader) = start(Kind::Ours, &[]) else {
            continue;
        };
        let Some(follower) = start_follower(following, leader.port, &[]) else {
            continue;
        };
        wait_for_link(&follower);
        check_all(
            &mut leader.client(),
            &[
                ("SET one 1", "+OK"),
                ("SET two 2", "+OK"),
                ("WAIT 1 0", ":1"),
                ("SAVE", "+OK"),
            ],
        );
        wait_for_offset(&leader, &follower);
        let before = id(&leader);
        leader.kill();
        leader.restart();
        check(&mut leader.client(), "SET three 3", "+OK");
        wait_for_offset(&leader, &follower);
        has(&follower, r#"["1", "2", "3"]"#);
        assert_ne!(id(&leader), before);
        assert_eq!(
            stat(&leader, "sync_full"),
            0,
            "{following:?}: {}",
            leader.log()
        );
    }
}

#[test]
fn keys_that_were_due_at_a_restart_go_everywhere() {
    let Some(mut leader) = start(Kind::Ours, &["--enable-debug-command", "yes"]) else {
        return;
    };
    let Some(follower) = start_follower(Kind::Redis, leader.port, &[]) else {
        return;
    };
    wait_for_link(&follower);
    let mut client = leader.client();
    check(&mut client, "DEBUG SET-ACTIVE-EXPIRE 0", "+OK");
    for key in 0..100 {
        check(&mut client, &format!("SET key:{key} value PX 1"), "+OK");
    }
    check(&mut client, "SET one 1", "+OK");
    wait_for_offset(&leader, &follower);
    client.send_cmd(&["SHUTDOWN", "SAVE", "NOW"]);
    assert!(leader.wait_for_exit().success());
    leader.restart();
    wait_for_offset(&leader, &follower);
    let expired = field(&leader, "persistence", "rdb_last_load_keys_expired");
    assert_eq!(expired, "100");
    assert_eq!(stat(&leader, "sync_full"), 0, "{}", leader.log());
    check(&mut follower.client(), "DBSIZE", ":1");
}
