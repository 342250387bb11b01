//! Strings as bits and as HyperLogLogs, between servers and by several clients at once.

use std::thread;

use super::support::*;

fn fill(client: &mut Client) {
    for bit in (0..9_000).step_by(7) {
        client.run(&format!("SETBIT bits {bit} 1"));
    }
    check(client, "SET number 12345", "+OK");
    for n in 0..3_000 {
        client.cmd(&["PFADD", "dense", &format!("element {n}")]);
    }
    check(client, "PFADD sparse a b c", ":1");
}

/// Every command that changes bits or counters.
fn change(client: &mut Client) {
    run_all(
        client,
        &[
            "SETBIT bits 20000 1",
            "SETBIT number 3 1",
            "SETBIT none 7 0",
            "BITFIELD bits SET u8 #3 200 OVERFLOW SAT INCRBY i5 100 -40",
            "BITFIELD fresh OVERFLOW FAIL INCRBY u2 0 9 SET i64 #1 -1",
            "BITOP AND both bits number",
            "BITOP NOT neither both",
            "BITOP XOR gone absent",
            "PFADD sparse d e",
            "PFADD sparse a",
            "PFCOUNT dense",
            "PFMERGE merged sparse dense",
            "PFMERGE sparse",
            "PFCOUNT merged",
        ],
    );
}

#[test]
fn bits_are_the_same_everywhere() {
    same_everywhere(of_every_kind, fill, change, check_same);
}

#[test]
fn no_change_of_bits_is_lost() {
    const CLIENTS: usize = 4;
    const ROUNDS: usize = 400;
    let server = Server::start(&[]);
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.client();
                for round in 0..ROUNDS {
                    let bit = (round * CLIENTS + number).to_string();
                    client.run("BITFIELD sums INCRBY u16 3 1 INCRBY u20 19 2");
                    client.cmd(&["SETBIT", "bits", &bit, "1"]);
                    client.cmd(&["PFADD", "all", &bit]);
                    client.cmd(&["PFADD", &format!("part-{number}"), &bit]);
                }
            });
        }
    });
    let mut client = server.client();
    let total = CLIENTS * ROUNDS;
    let sums = format!("[:{total}, :{}]", 2 * total);
    check(&mut client, "BITFIELD_RO sums GET u16 3 GET u20 19", &sums);
    check(&mut client, "BITCOUNT bits", &format!(":{total}"));
    let parts = client.run("PFCOUNT part-0 part-1 part-2 part-3");
    assert_eq!(client.run("PFCOUNT all"), parts);
}
