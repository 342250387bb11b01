//! Reading configuration files at start.
//!
//! A line is a directive and its values; empty lines and lines that begin with `#` mean
//! nothing. Later lines win. `include` reads another file, or all that match a pattern, in
//! place. Besides the directives of the table only `include` and `rename-command` exist.

use super::cli::Launch;
use super::settings::{Config, Line, Rename};
use super::spec::flag;
use super::table::Param;
use super::value::{Value, as_os_str};
use crate::base::{glob, os_error};
use crate::resp::inline::split_args;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Files that include files that include files may go on only so long.
const INCLUDE_DEPTH_MAX: usize = 32;

/// Why the server does not start. Shown, it is what Redis prints to the standard error.
#[derive(Debug)]
pub enum LoadError {
    /// A line is wrong, or, without a line, what all of them say together.
    Bad { line: Option<Line>, reason: String },
    /// A file could not be read.
    Open { path: PathBuf, reason: String },
}

impl LoadError {
    /// An error about a line that was read without complaint.
    pub fn at(line: &Line, reason: impl Into<String>) -> LoadError {
        LoadError::Bad {
            line: Some(line.clone()),
            reason: reason.into(),
        }
    }

    fn open(path: &Path, error: &std::io::Error) -> LoadError {
        LoadError::Open {
            path: path.into(),
            reason: os_error::words(error),
        }
    }
}

impl std::error::Error for LoadError {}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadError::Bad { line, reason } => {
                let version = super::REDIS_VERSION;
                writeln!(f, "\n*** FATAL CONFIG FILE ERROR (Redis {version}) ***")?;
                if let Some(line) = line {
                    let text = String::from_utf8_lossy(&line.text);
                    writeln!(f, "Reading the configuration file, at line {}", line.number)?;
                    writeln!(f, ">>> '{text}'")?;
                }
                f.write_str(reason)
            }
            LoadError::Open { path, reason } => {
                let path = path.display();
                write!(f, "Fatal error, can't open config file '{path}': {reason}")
            }
        }
    }
}

impl Config {
    /// Defaults, then the file, then `stdin` if it was asked for, then the command line.
    ///
    /// # Errors
    /// A file cannot be read, or a line is wrong.
    pub fn load(launch: &Launch, stdin: &mut dyn Read) -> Result<Config, LoadError> {
        let mut config = Config::new();
        let mut text = Vec::new();
        if let Some(file) = &launch.file {
            let file = config.dir().join(file);
            text = read(&file)?;
            config.file = Some(file);
        }
        if launch.read_stdin {
            let read = stdin.read_to_end(&mut text);
            read.map_err(|error| LoadError::open(Path::new("stdin"), &error))?;
        }
        // The end of the file must not run into the command line.
        if !launch.lines.is_empty() {
            text.push(b'\n');
            text.extend_from_slice(&launch.lines);
        }
        let mut loader = Loader {
            config,
            save_replaced: false,
        };
        loader.read_text(&text, 0)?;
        check_log_file(&loader.config)?;
        Ok(loader.config)
    }
}

struct Loader {
    config: Config,
    /// The first `save` replaces the default, further ones add to it.
    save_replaced: bool,
}

impl Loader {
    fn read_text(&mut self, text: &[u8], depth: usize) -> Result<(), LoadError> {
        for (position, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = trim(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let line = Line {
                number: position + 1,
                text: line.to_vec(),
            };
            self.read_line(&line, depth)?;
        }
        Ok(())
    }

    fn read_line(&mut self, line: &Line, depth: usize) -> Result<(), LoadError> {
        let bad = |reason: &str| Err(LoadError::at(line, reason));
        let Some(words) = split_args(&line.text) else {
            return bad("Unbalanced quotes in configuration line");
        };
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        let Some((name, values)) = words.split_first() else {
            return Ok(());
        };
        if let Some(param) = Param::named(name) {
            let set = self.set(param, values);
            return set.map_err(|reason| LoadError::at(line, reason));
        }
        match (name.to_ascii_lowercase().as_slice(), values) {
            (b"include", _) if depth == INCLUDE_DEPTH_MAX => {
                bad("Too many levels of included files")
            }
            (b"include", [pattern]) => self.include(pattern, depth),
            (b"rename-command", [from, to]) => {
                self.config.renames.push(Rename {
                    from: from.to_vec(),
                    to: to.to_vec(),
                    line: line.clone(),
                });
                Ok(())
            }
            (b"sentinel", [_, ..]) => bad("sentinel directive while not in sentinel mode"),
            _ => bad("Bad directive or wrong number of arguments"),
        }
    }

    fn set(&mut self, param: Param, values: &[&[u8]]) -> Result<(), String> {
        let multi_arg = param.spec().has(flag::MULTI_ARG);
        if !multi_arg && values.len() != 1 {
            return Err("wrong number of arguments".into());
        }
        // One word for a directive that takes several may hold all of them.
        let inner = match values {
            [value] if multi_arg && !value.is_empty() => {
                Some(split_args(value).ok_or("Unbalanced quotes in configuration line")?)
            }
            _ => None,
        };
        let inner: Option<Vec<&[u8]>> = inner
            .as_ref()
            .map(|words| words.iter().map(Vec::as_slice).collect());
        let words = inner.as_deref().unwrap_or(values);

        let old = self.config.value(param);
        let mut value = Value::parse(param, words, &old)?;
        if let (Value::SavePoints(old), Value::SavePoints(new)) = (old, &mut value) {
            if self.save_replaced && !new.is_empty() {
                *new = old.iter().chain(new.iter()).copied().collect::<Arc<[_]>>();
            }
            self.save_replaced = true;
        }
        self.config.store(param, value);
        Ok(())
    }

    /// Reads the file `pattern` names, which must exist, or all that match it.
    fn include(&mut self, pattern: &[u8], depth: usize) -> Result<(), LoadError> {
        let dir = self.config.dir();
        let files = if pattern.iter().any(|byte| b"*?[".contains(byte)) {
            matching_files(&dir, pattern)
        } else {
            vec![dir.join(as_os_str(pattern))]
        };
        for file in files {
            self.read_text(&read(&file)?, depth + 1)?;
        }
        Ok(())
    }
}

fn read(file: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(file).map_err(|error| LoadError::open(file, &error))
}

fn trim(line: &[u8]) -> &[u8] {
    let outside = |byte: &u8| b" \t\r\n".contains(byte);
    let start = line.iter().position(|byte| !outside(byte));
    let end = line.iter().rposition(|byte| !outside(byte));
    match (start, end) {
        (Some(start), Some(end)) => &line[start..=end],
        _ => &[],
    }
}

/// The files whose path matches `pattern` component by component, in the order of their
/// names. A leading dot must be matched by a dot.
fn matching_files(dir: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let start = if pattern.starts_with(b"/") {
        Path::new("/")
    } else {
        dir
    };
    let mut found = vec![start.to_path_buf()];
    let components = pattern.split(|byte| *byte == b'/');
    for component in components.filter(|component| !component.is_empty()) {
        if glob::is_literal(component) {
            found
                .iter_mut()
                .for_each(|path| path.push(as_os_str(component)));
            found.retain(|path| path.exists());
        } else {
            found = found
                .iter()
                .flat_map(|path| matching_entries(path, component))
                .collect();
        }
    }
    found
}

fn matching_entries(dir: &Path, pattern: &[u8]) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let matching = |name: &OsStr| {
        let name = name.as_bytes();
        let shown = !name.starts_with(b".") || pattern.starts_with(b".");
        shown && glob::matches(pattern, name, false)
    };
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok())
        .filter(|entry| matching(&entry.file_name()))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

/// A log file that cannot be opened is found out while somebody can still read why.
fn check_log_file(config: &Config) -> Result<(), LoadError> {
    let Some(path) = config.path(Param::LogFile) else {
        return Ok(());
    };
    let opened = std::fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path);
    opened.map(drop).map_err(|error| LoadError::Bad {
        line: None,
        reason: format!("Can't open the log file: {}", os_error::words(&error)),
    })
}
