//! LATENCY: what took long lately, and how long commands take.

use std::fmt::Write as _;

use super::args::Args;
use super::cx::{Cx, Outcome};
use super::error::CmdError;
use super::help;
use super::registry::CommandId;
use super::spec::Spec;
use super::spec::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use crate::config::Param;
use crate::shared::spikes::{Event, Series};

const ASK: u32 = ADMIN | NOSCRIPT | LOADING | STALE;

const OF_EVERY_NODE: &[&str] = &[
    "nondeterministic_output",
    "request_policy:all_nodes",
    "response_policy:special",
];

pub const COMMANDS: &[Spec] =
    &[Spec::new("latency", -2, 0, 0, help::no_subcommand).subcommands(SUBCOMMANDS)];

const SUBCOMMANDS: &[Spec] = &[
    Spec::new("doctor", 2, ASK, 0, doctor).tips(OF_EVERY_NODE),
    Spec::new("graph", 3, ASK, 0, graph).tips(OF_EVERY_NODE),
    Spec::new("help", 2, LOADING | STALE, 0, print_help),
    Spec::new("histogram", -2, ASK, 0, histogram).tips(OF_EVERY_NODE),
    Spec::new("history", 3, ASK, 0, history).tips(OF_EVERY_NODE),
    Spec::new("latest", 2, ASK, 0, latest).tips(OF_EVERY_NODE),
    Spec::new("reset", -2, ASK, 0, reset)
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum"]),
];

/// The moments of an event that is known, if any are kept.
fn series(cx: &Cx, name: &[u8]) -> Series {
    let event = Event::named(name);
    event
        .map(|event| cx.shared.spikes.of(event))
        .unwrap_or_default()
}

fn history(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let spikes = series(cx, args.bytes()).spikes;
    cx.reply.array(spikes.len());
    for spike in spikes {
        cx.reply.array(2);
        cx.reply.integer(spike.unix_seconds);
        cx.reply.integer(spike.milliseconds as i64);
    }
    Ok(Outcome::Done)
}

/// Of each event: its name, its latest moment, how long it took then, and the worst.
fn latest(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let all = cx.shared.spikes.all();
    cx.reply.array(all.len());
    for (event, series) in all {
        let last = series.spikes.back();
        cx.reply.array(4);
        cx.reply.bulk(event.name().as_bytes());
        cx.reply.integer(last.map_or(0, |spike| spike.unix_seconds));
        cx.reply
            .integer(last.map_or(0, |spike| spike.milliseconds) as i64);
        cx.reply.integer(series.worst_ms as i64);
    }
    Ok(Outcome::Done)
}

/// Of all events, or of the named ones.
fn reset(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let mut events = Vec::new();
    if args.is_empty() {
        events.extend(Event::ALL);
    }
    while let Some(name) = args.next() {
        events.extend(Event::named(name));
    }
    let forgotten = events.into_iter().filter(|&e| cx.shared.spikes.reset(e));
    let forgotten = forgotten.count() as i64;
    cx.reply.integer(forgotten);
    Ok(Outcome::Done)
}

fn graph(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let name = args.bytes();
    let series = series(cx, name);
    let Some(event) = Event::named(name).filter(|_| !series.spikes.is_empty()) else {
        let template = "ERR No samples available for event '{}'";
        return Err(CmdError::quoting(template, &[name]));
    };
    let text = drawn(event, &series, cx.now_ms() / 1000);
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(Outcome::Done)
}

/// Lines of a graph, from the longest time down.
const GRAPH_LINES: u64 = 4;

/// A column for each moment, as high as it took long, with how long ago it was below.
fn drawn(event: Event, series: &Series, now_seconds: i64) -> String {
    let times = || series.spikes.iter().map(|spike| spike.milliseconds);
    let (low, high) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = writeln!(
        text,
        "{} - high {high} ms, low {low} ms (all time high {} ms)",
        event.name(),
        series.worst_ms
    );
    text.push_str(&"-".repeat(80));
    text.push('\n');
    let steps = (high - low).max(1);
    for line in (0..GRAPH_LINES).rev() {
        for time in times() {
            // The lowest still has a mark in the lowest line.
            let height = (time - low) * (GRAPH_LINES * 2 - 1) / steps + 1;
            text.push(match height.saturating_sub(line * 2) {
                0 => ' ',
                1 => '_',
                _ => '#',
            });
        }
        text.push('\n');
    }
    let ages: Vec<String> = series
        .spikes
        .iter()
        .map(|spike| age(now_seconds - spike.unix_seconds))
        .collect();
    text.push('\n');
    for row in 0..ages.iter().map(String::len).max().unwrap_or(0) {
        for age in &ages {
            text.push(age.as_bytes().get(row).map_or(' ', |&byte| byte.into()));
        }
        text.push('\n');
    }
    text
}

/// A time in the past, short enough to be written downwards.
fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m", seconds / 60),
        seconds @ 3600..86400 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86400),
    }
}

fn doctor(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let threshold_ms = cx.shared.config.get_int(Param::LatencyMonitorThreshold);
    let all = cx.shared.spikes.all();
    let text = match threshold_ms {
        0 => "The latency monitor is off. CONFIG SET latency-monitor-threshold <milliseconds> \
              turns it on.\n"
            .to_owned(),
        _ if all.is_empty() => {
            format!("Nothing has taken {threshold_ms} ms or more since the last reset.\n")
        }
        _ => diagnosis(&all, threshold_ms),
    };
    cx.reply.verbatim("txt", text.as_bytes());
    Ok(Outcome::Done)
}

fn diagnosis(all: &[(Event, Series)], threshold_ms: i64) -> String {
    let mut text = format!("These took {threshold_ms} ms or more:\n\n");
    for (number, (event, series)) in (1..).zip(all) {
        let spikes = &series.spikes;
        let sum: u64 = spikes.iter().map(|spike| spike.milliseconds).sum();
        let mean = sum as f64 / spikes.len().max(1) as f64;
        let span = match (spikes.front(), spikes.back()) {
            (Some(first), Some(last)) => last.unix_seconds - first.unix_seconds,
            _ => 0,
        };
        let _ = writeln!(
            text,
            "{number}. {}: in {} seconds out of {}, {mean:.0} ms on average, {} ms at worst.",
            event.name(),
            spikes.len(),
            span + 1,
            series.worst_ms
        );
    }
    text.push_str("\nWhat to look at:\n\n");
    for (event, _) in all {
        text.push_str(match event {
            Event::Command => {
                "- SLOWLOG GET tells which commands are slow. KEYS, and commands on very many \
                 keys at once, keep others waiting; SCAN goes in small steps.\n"
            }
            Event::FastCommand => {
                "- Commands that are fast by themselves were slow: the machine may be short of \
                 processors or memory, or it swaps. Look at its load.\n"
            }
            Event::ExpireCycle => {
                "- Very many keys expire at the same moment: spread their times to live.\n"
            }
            Event::EvictionCycle => {
                "- Clients wait while room is made for what they write: allow more memory, or \
                 take less time at once with a lower maxmemory-eviction-tenacity.\n"
            }
            Event::Fork => {
                "- Beginning a snapshot waits for the commands that run: see which of them are \
                 slow.\n"
            }
        });
    }
    text
}

/// Of the named commands, or of all that were called.
fn histogram(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let registry = cx.registry;
    let mut ids: Vec<CommandId> = Vec::new();
    if args.is_empty() {
        ids.extend(0..registry.len() as CommandId);
    }
    while let Some(name) = args.next() {
        let Some(id) = registry.find_full(name) else {
            continue;
        };
        // A container stands for its subcommands.
        let all = 0..registry.len() as CommandId;
        let own = all.filter(|&sub| sub == id || registry.get(sub).container == Some(id));
        ids.extend(own);
    }
    let map = cx.reply.map_deferred();
    let mut shown = 0;
    for id in ids {
        let spread = cx.shared.stats.latencies(usize::from(id));
        if spread.total() == 0 {
            continue;
        }
        shown += 1;
        cx.reply.bulk(registry.full_name(id).as_bytes());
        cx.reply.map(2);
        cx.reply.bulk(b"calls");
        cx.reply.integer(spread.total() as i64);
        cx.reply.bulk(b"histogram_usec");
        let steps = spread.cumulative();
        cx.reply.map(steps.len());
        for (microseconds, calls) in steps {
            cx.reply.integer(microseconds as i64);
            cx.reply.integer(calls as i64);
        }
    }
    cx.reply.finish_map(map, shown);
    Ok(Outcome::Done)
}

fn print_help(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    let lines = [
        "DOCTOR",
        "    Say for people what took long, and what to look at.",
        "GRAPH <event>",
        "    Draw when an event took long, and how long.",
        "HISTOGRAM [<command> ...]",
        "    Show for 1, 2, 4, ... microseconds how many calls of a command took less: of the",
        "    named commands, or of all that were called.",
        "HISTORY <event>",
        "    Show when an event took long, and how many milliseconds.",
        "LATEST",
        "    Show for every event when it last took long, how long then, and how long at worst.",
        "RESET [<event> ...]",
        "    Forget all of this, or what is known of these events.",
    ];
    help::reply(cx, "LATENCY", &lines)
}

#[cfg(test)]
mod tests {
    use super::super::testing::TestServer;
    use super::*;

    #[test]
    fn histograms_of_what_was_called() {
        let mut server = TestServer::resp3();
        server.check("LATENCY HISTOGRAM", "{}");
        let id = usize::from(server.registry.find_full(b"config|get").unwrap());
        for microseconds in [0, 3, 3] {
            server.shared.stats.thread(0).costs[id].track(microseconds, 1);
        }
        let expect = r#"{"config|get": {"calls": :3, "histogram_usec": {:1: :1, :4: :3}}}"#;
        server.check("LATENCY HISTOGRAM", expect);
        server.check("LATENCY HISTOGRAM config", expect);
        server.check("LATENCY HISTOGRAM none CONFIG|GET", expect);
        server.check("LATENCY HISTOGRAM config|set", "{}");
    }

    #[test]
    fn what_took_long() {
        let mut server = TestServer::new();
        server.check("LATENCY LATEST", "[]");
        server.check("LATENCY HISTORY command", "[]");
        server.check("LATENCY HISTORY nosuch", "[]");
        let none = "-ERR No samples available for event 'nosuch'";
        server.check("LATENCY GRAPH nosuch", none);
        for (seconds, milliseconds) in [(1_699_999_990, 100), (1_699_999_998, 300)] {
            let spikes = &server.shared.spikes;
            spikes.note(Event::Command, seconds, milliseconds * 1000, 10);
        }
        let spikes = &server.shared.spikes;
        spikes.note(Event::ExpireCycle, 1_700_000_000, 20_000, 10);
        server.check(
            "LATENCY LATEST",
            r#"[["command", :1699999998, :300, :300], ["expire-cycle", :1700000000, :20, :20]]"#,
        );
        server.check(
            "LATENCY HISTORY Command",
            "[[:1699999990, :100], [:1699999998, :300]]",
        );
        server.check("LATENCY RESET nosuch fast-command", ":0");
        server.check("LATENCY RESET COMMAND", ":1");
        server.check("LATENCY HISTORY command", "[]");
        server.check("LATENCY RESET", ":1");
        server.check("LATENCY LATEST", "[]");
    }

    #[test]
    fn a_graph_stands_on_its_lowest_mark() {
        let mut series = Series {
            worst_ms: 900,
            ..Series::default()
        };
        for (unix_seconds, milliseconds) in [(900, 10), (940, 80), (990, 45)] {
            series.spikes.push_back(crate::shared::spikes::Spike {
                unix_seconds,
                milliseconds,
            });
        }
        let text = drawn(Event::Command, &series, 1000);
        let lines: Vec<&str> = text.lines().collect();
        let head = "command - high 80 ms, low 10 ms (all time high 900 ms)";
        assert_eq!(lines[0], head);
        assert_eq!(&lines[2..6], [" # ", " # ", " ##", "_##"]);
        assert_eq!(&lines[7..], ["111", "mm0", "  s"]);
    }

    #[test]
    fn the_doctor_knows_what_to_look_at() {
        let mut server = TestServer::new();
        let off = server.run("LATENCY DOCTOR");
        assert!(off.contains("latency-monitor-threshold"), "{off}");
        server.run("CONFIG SET latency-monitor-threshold 10");
        let healthy = server.run("LATENCY DOCTOR");
        assert!(healthy.contains("Nothing has taken 10 ms"), "{healthy}");
        for (seconds, microseconds) in [(1, 20_000), (5, 40_000)] {
            let spikes = &server.shared.spikes;
            spikes.note(Event::Command, seconds, microseconds, 10);
        }
        let ill = server.run("LATENCY DOCTOR");
        let line = "1. command: in 2 seconds out of 5, 30 ms on average, 40 ms at worst.";
        assert!(ill.contains(line) && ill.contains("SLOWLOG GET"), "{ill}");
    }
}
