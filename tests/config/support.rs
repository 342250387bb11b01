//! Short ways to load, set and look at a configuration.

use lockstep::config::{self, Config, Invocation, LoadError, SetContext};
use std::ffi::OsString;

/// A client that may change whatever can be changed.
const EVERYTHING: SetContext = SetContext {
    local_client: true,
    loading: false,
};

pub fn try_load(args: &[&str], stdin: &str) -> Result<Config, LoadError> {
    match config::cli::parse(args.iter().map(OsString::from)) {
        Invocation::Serve(launch) => Config::load(&launch, &mut stdin.as_bytes()),
        other => panic!("{args:?} is {other:?}"),
    }
}

pub fn load(args: &[&str]) -> Config {
    try_load(args, "").unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

pub fn load_text(text: &str) -> Config {
    try_load(&["-"], text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

pub fn get(config: &Config, name: &str) -> String {
    let found = config.get(&[name.as_bytes()]);
    assert_eq!(found.len(), 1, "{name}");
    String::from_utf8(found[0].1.clone()).unwrap()
}

/// Sets pairs of names and values; gives the reply as it goes over the wire.
pub fn set(config: &Config, pairs: &[&str]) -> String {
    let pairs: Vec<(&[u8], &[u8])> = pairs
        .chunks(2)
        .map(|pair| (pair[0].as_bytes(), pair[1].as_bytes()))
        .collect();
    match config.set(&pairs, &EVERYTHING) {
        Ok(()) => "OK".into(),
        Err(error) => format!("-{}", String::from_utf8_lossy(&error.message())),
    }
}
