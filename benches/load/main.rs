//! The load generator behind `benches/compare`.
//!
//! One thread, one epoll set, non-blocking sockets: it must cost less than the server which it
//! measures, or the figures are its own. Requests are copied from a prepared form and patched,
//! replies are counted and thrown away. It ends by printing one line of `name=value` pairs.
//!
//! ```text
//! load [--port N | --host H --port N | --unix PATH] [--mode get|set|mixed|fill]
//!      [--command TEXT] [--connections N] [--pipeline N] [--ops N | --seconds S]
//!      [--rate OPS_PER_S] [--keys N] [--first N] [--key-bytes N] [--value-bytes N]
//!      [--get-percent N] [--ttl SECONDS] [--warmup-ms N] [--seed N] [--auth PASSWORD]
//!      [--server-pid PID]
//! ```
//!
//! - Closed loop (no `--rate`): every connection keeps one batch of `--pipeline` requests under
//!   way. Open loop (`--rate`): requests leave when they are due whatever the server does, over
//!   the connections in turn, and latency counts from the moment they were due, so that a
//!   stalled server cannot hide its stall.
//! - `fill` writes each of the keys `first .. first + keys` once, in random order; the other
//!   modes pick keys from that range at random. Values are random bytes.
//! - `--command` is sent instead of SET, its arguments separated by spaces: each `__rand_int__` in
//!   it becomes a number of 12 digits from the range of the keys; in `fill` all in a request are
//!   the same number.
//! - With `--server-pid` the CPU time of all threads of that process is taken at both ends of
//!   the measured window: `server_us` is its microseconds for each request.
//! - SIGUSR1 begins the measured window anew, SIGTERM or SIGINT ends it early and prints.

mod epoll;
mod histogram;
mod link;
mod options;
mod request;
mod run;
mod scan;

use anyhow::Result;

fn main() -> Result<()> {
    let Some(options) = options::Options::parse(std::env::args().skip(1))? else {
        print!("{}", options::USAGE);
        return Ok(());
    };
    epoll::catch_signals()?;
    let report = run::Run::connect(&options)?.drive()?;
    println!("{report}");
    Ok(())
}
