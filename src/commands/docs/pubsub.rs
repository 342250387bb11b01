//! Messages by channel.

use super::Doc;
use super::arg::{pattern, string};

pub const DOCS: &[Doc] = &[
    Doc::new(
        "psubscribe",
        "2.0.0",
        "O(N), N: patterns",
        "Listens to all channels whose names match patterns.",
    )
    .arguments(&[pattern("pattern").multiple()]),
    Doc::new(
        "publish",
        "2.0.0",
        "O(N+M), N: subscribers of the channel, M: patterns subscribed to",
        "Sends a message to a channel.",
    )
    .arguments(&[string("channel"), string("message")]),
    Doc::new(
        "pubsub",
        "2.8.0",
        "By subcommand",
        "Looks at channels and their subscribers.",
    )
    .subcommands(&[
        Doc::new(
            "channels",
            "2.8.0",
            "O(N), N: channels with subscribers",
            "Lists the channels that someone listens to.",
        )
        .arguments(&[pattern("pattern").optional()]),
        Doc::new("help", "6.2.0", "O(1)", "Lists the subcommands."),
        Doc::new(
            "numpat",
            "2.8.0",
            "O(1)",
            "Counts the patterns that someone listens to.",
        ),
        Doc::new(
            "numsub",
            "2.8.0",
            "O(N), N: channels asked for",
            "Counts the subscribers of channels.",
        )
        .arguments(&[string("channel").optional().multiple()]),
        Doc::new(
            "shardchannels",
            "7.0.0",
            "O(N), N: shard channels with subscribers",
            "Lists the shard channels that someone listens to.",
        )
        .arguments(&[pattern("pattern").optional()]),
        Doc::new(
            "shardnumsub",
            "7.0.0",
            "O(N), N: shard channels asked for",
            "Counts the subscribers of shard channels.",
        )
        .arguments(&[string("shardchannel").optional().multiple()]),
    ]),
    Doc::new(
        "punsubscribe",
        "2.0.0",
        "O(N), N: patterns",
        "Stops listening to patterns, some or all.",
    )
    .arguments(&[pattern("pattern").optional().multiple()]),
    Doc::new(
        "spublish",
        "7.0.0",
        "O(N), N: subscribers of the shard channel",
        "Sends a message to a shard channel.",
    )
    .arguments(&[string("shardchannel"), string("message")]),
    Doc::new(
        "ssubscribe",
        "7.0.0",
        "O(N), N: shard channels",
        "Listens to shard channels.",
    )
    .arguments(&[string("shardchannel").multiple()]),
    Doc::new(
        "subscribe",
        "2.0.0",
        "O(N), N: channels",
        "Listens to channels.",
    )
    .arguments(&[string("channel").multiple()]),
    Doc::new(
        "sunsubscribe",
        "7.0.0",
        "O(N), N: shard channels",
        "Stops listening to shard channels, some or all.",
    )
    .arguments(&[string("shardchannel").optional().multiple()]),
    Doc::new(
        "unsubscribe",
        "2.0.0",
        "O(N), N: channels",
        "Stops listening to channels, some or all.",
    )
    .arguments(&[string("channel").optional().multiple()]),
];
