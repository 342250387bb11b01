//! Configuration files: they are refused with a reason, or what CONFIG GET shows of them is
//! what CONFIG SET takes.

use std::sync::LazyLock;

use lockstep::config::{Config, Launch, Param, SetContext, flag};
use lockstep::resp::inline::split_args;
use tempfile::TempDir;

/// Relative paths begin here, where nothing can be overwritten.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a temporary folder");
    std::env::set_current_dir(folder.path()).expect("a folder of our own");
    folder
});

/// Directives that have other files read or made.
const TOUCH_FILES: [&[u8]; 2] = [b"include", b"logfile"];

pub fn check(text: &[u8]) {
    LazyLock::force(&FOLDER);
    if text.split(|byte| *byte == b'\n').any(touches_files) {
        return;
    }
    let launch = Launch {
        read_stdin: true,
        ..Launch::default()
    };
    let config = match Config::load(&launch, &mut &*text) {
        Ok(config) => config,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let context = SetContext {
        local_client: true,
        loading: false,
    };
    for (name, value) in config.get(&[b"*"]) {
        let param = Param::named(&name).expect("it was listed");
        match config.set(&[(&name, &value)], &context) {
            // A small backlog is raised by CONFIG SET, and not in the file.
            Ok(()) if param == Param::ReplBacklogSize => {}
            Ok(()) => assert_eq!(config.get(&[&name]), [(name, value)]),
            Err(error) => {
                let refused = param.spec().flags & (flag::IMMUTABLE | flag::PROTECTED) != 0;
                assert!(refused, "{param:?}: {error:?}");
            }
        }
    }
}

fn touches_files(line: &[u8]) -> bool {
    let words = split_args(line.trim_ascii()).unwrap_or_default();
    let name = words.first().map(|word| word.to_ascii_lowercase());
    name.is_some_and(|name| TOUCH_FILES.contains(&&name[..]))
}
