//! A server's data without the server: what saves and loads need.

use std::path::Path;
use std::sync::Arc;

use lockstep::base::clock;
use lockstep::base::hash::KeyHasher;
use lockstep::config::{Config, Launch, SetContext};
use lockstep::shared::{Shared, Size};

/// Threads that may lock the keyspace.
pub const GATES: usize = 8;

/// Everything at its defaults but `dir` and these directives.
pub fn in_dir(dir: &Path, directives: &[(&str, &str)]) -> Arc<Shared> {
    let mut lines = format!("dir {}\n", dir.display());
    for (name, value) in directives {
        lines.push_str(&format!("{name} {value}\n"));
    }
    let launch = Launch {
        file: None,
        read_stdin: false,
        lines: lines.into_bytes(),
    };
    let config = Config::load(&launch, &mut std::io::empty()).expect("good directives");
    let size = Size {
        shards: 2048,
        gates: GATES,
        commands: 0,
    };
    let hasher = KeyHasher::seeded(1);
    let (shared, freed) = Shared::new(Arc::new(config), hasher, size, clock::unix_ms());
    std::thread::spawn(move || freed.into_iter().for_each(drop));
    Arc::new(shared)
}

/// CONFIG SET.
pub fn set(shared: &Shared, name: &str, value: &str) {
    let pairs = [(name.as_bytes(), value.as_bytes())];
    let set = shared.config.set(&pairs, &SetContext::default());
    set.expect("a directive that can be set");
}
