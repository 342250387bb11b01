//! What can be said without a peer.

use super::support::{get, load, load_text, set, try_load};
use lockstep::config::{self, Config, Force, LoadError, Param, SetContext, flag};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

#[test]
fn the_example_is_current_and_can_be_loaded() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("redis.conf.example");
    let text = config::example();
    if std::env::var_os("UPDATE_EXAMPLE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        stored, text,
        "run the test once with UPDATE_EXAMPLE=1 and commit the file"
    );
    let loaded = load(&[path.to_str().unwrap()]);
    let defaults = Config::new();
    assert_eq!(loaded.get(&[b"*"]), defaults.get(&[b"*"]));
}

#[test]
fn the_example_names_every_directive() {
    let text = config::example();
    for param in Param::ALL {
        let spec = param.spec();
        let named = text.contains(&format!("\n{} ", spec.name))
            || text.contains(&format!("\n# {} ", spec.name));
        assert_eq!(named, !spec.has(flag::HIDDEN), "{}", spec.name);
    }
}

/// A directive that is accepted and then read by nobody would be a lie.
#[test]
fn every_directive_has_a_reader() {
    let mut source = String::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true if path.ends_with("src/config") => {}
                true => folders.push(path),
                false => source += &std::fs::read_to_string(path).unwrap(),
            }
        }
    }
    let unread = |param: &&Param| {
        let readers: &[&str] = match param {
            Param::Bind => &[".bind()"],
            Param::Dir => &[".dir()", ".path("],
            Param::Save => &[".save_points()"],
            Param::ReplicaOf => &[".leader()"],
            Param::ClientOutputBufferLimit => &[".output_limit("],
            Param::NotifyKeyspaceEvents => &[".notify_events()"],
            Param::LatencyTrackingInfoPercentiles => &[".percentiles()"],
            Param::OomScoreAdjValues => &[".oom_scores()"],
            Param::HashMaxListpackEntries | Param::HashMaxListpackValue => &[".type_limits()"],
            Param::ZsetMaxListpackEntries | Param::ZsetMaxListpackValue => &[".type_limits()"],
            Param::SetMaxIntsetEntries => &[".type_limits()"],
            Param::SetMaxListpackEntries | Param::SetMaxListpackValue => &[".type_limits()"],
            Param::ListMaxListpackSize => &[".list_limits()"],
            Param::StreamNodeMaxBytes | Param::StreamNodeMaxEntries => &[".stream_limits()"],
            Param::EnableProtectedConfigs => return false,
            _ => &[],
        };
        let named = format!("Param::{param:?}");
        !param.spec().group.is_idle()
            && !source.contains(&named)
            && !readers.iter().any(|reader| source.contains(reader))
    };
    let unread: Vec<&Param> = Param::ALL.iter().filter(unread).collect();
    assert!(unread.is_empty(), "nobody reads {unread:?}");
}

#[test]
fn values_are_read_by_type() {
    let config = load(&[
        "--port",
        "7000",
        "--repl-backlog-size",
        "2mb",
        "--replica-read-only",
        "no",
        "--slaveof",
        "localhost",
        "6380",
        "--bind",
        "127.0.0.1",
        "-::1",
        "--requirepass",
        "x y",
        "--client-output-buffer-limit",
        "slave 1k 1kb 3",
        "--shutdown-on-sigterm",
        "now force",
        "--notify-keyspace-events",
        "KA",
        "--save",
        "10",
        "20",
        "--loglevel",
        "debug",
        "--repl-timeout",
        "7",
        "--rename-command",
        "FLUSHALL",
        "",
    ]);
    assert_eq!(config.get_int(Param::Port), 7000);
    assert_eq!(config.get_bytes(Param::ReplBacklogSize), 2 << 20);
    assert!(!config.get_bool(Param::ReplicaReadOnly));
    let leader = config.leader().unwrap();
    assert_eq!((leader.host.as_str(), leader.port), ("localhost", 6380));
    assert_eq!(*config.bind(), ["127.0.0.1", "-::1"]);
    assert_eq!(&*config.get_text(Param::RequirePass), b"x y");
    let limit = config.output_limit(config::ClientClass::Replica);
    assert_eq!(
        (limit.hard_bytes, limit.soft_bytes, limit.soft_seconds),
        (1000, 1024, 3)
    );
    let options = config.shutdown_options(Param::ShutdownOnSigterm);
    assert!(options.now && options.force && !options.save && !options.nosave);
    assert_ne!(config.notify_events() & config::notify::EXPIRED, 0);
    assert_eq!(config.save_points()[0].changes, 20);
    let level: config::LogLevel = config.choice(Param::LogLevel);
    assert_eq!(level, config::LogLevel::Debug);
    assert_eq!(config.get_seconds(Param::ReplTimeout).as_secs(), 7);
    let [rename] = config.renames() else {
        panic!("{:?}", config.renames())
    };
    assert_eq!(
        (rename.from.as_slice(), rename.to.as_slice()),
        (&b"FLUSHALL"[..], &b""[..])
    );
    assert!(
        LoadError::at(&rename.line, "No")
            .to_string()
            .contains("rename-command")
    );
}

#[test]
fn save_lines_add_up() {
    let check = |text: &str, expect: &str| assert_eq!(get(&load_text(text), "save"), expect);
    check("", "3600 1 300 100 60 10000");
    check("save 900 1", "900 1");
    check("save 900 1\nsave 300 10", "900 1 300 10");
    check("save 900 1\nsave \"\"", "");
    check("save \"\"\nsave 5 5", "5 5");
    check("save 900 1 300 10", "900 1 300 10");
    check("save \"900 1 300 10\"", "900 1 300 10");
    assert_eq!(
        get(&load(&["--save", "900", "1", "300", "10"]), "save"),
        "900 1 300 10"
    );
    assert_eq!(get(&load(&["--save", "--hz", "5"]), "save"), "");
}

#[test]
fn files_include_files() {
    let dir = TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    std::fs::create_dir(dir.path().join("conf.d")).unwrap();
    write("conf.d/b.conf", "hz 20\nport 2");
    write("conf.d/a.conf", "hz 30\ntimeout 3");
    write("conf.d/.hidden.conf", "hz 40");
    write("conf.d/c.txt", "nonsense");
    write("one.conf", "databases 3");
    let root = dir.path().to_str().unwrap();
    let text = format!("dir {root}\ninclude one.conf\ninclude conf.d/*.conf\ninclude no/*\nport 9");
    let config = load_text(&text);
    for (name, expect) in [
        ("databases", "3"),
        ("hz", "20"),
        ("timeout", "3"),
        ("port", "9"),
    ] {
        assert_eq!(get(&config, name), expect, "{name}");
    }

    write("loop.conf", "include loop.conf");
    let fails = |text: &str, expect: &str| {
        let error = try_load(&["-"], text).err().unwrap().to_string();
        assert!(error.contains(expect), "{error}");
    };
    fails(
        &format!("dir {root}\ninclude loop.conf"),
        "Too many levels of included files",
    );
    let missing = format!("can't open config file '{root}/none.conf': No such file or directory");
    fails(&format!("dir {root}\ninclude none.conf"), &missing);
    write("bad.conf", "\n\nport x");
    fails(
        &format!("dir {root}\ninclude bad.conf"),
        "at line 3\n>>> 'port x'\n",
    );
}

#[test]
fn paths_begin_at_dir() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let config = load(&[
        "--dir",
        root.to_str().unwrap(),
        "--logfile",
        "a.log",
        "--pidfile",
        "/p",
    ]);
    assert_eq!(*config.dir(), *root);
    assert_eq!(config.path(Param::LogFile), Some(root.join("a.log")));
    assert_eq!(config.path(Param::PidFile), Some("/p".into()));
    assert_eq!(config.path(Param::UnixSocket), None);
    let error = try_load(&["--dir", "/none"], "").err().unwrap().to_string();
    assert!(error.ends_with("\nNo such file or directory"), "{error}");
}

#[test]
fn changes_are_all_or_nothing() {
    let config = Config::new();
    let applied = Arc::new(AtomicU64::new(0));
    let counter = applied.clone();
    config.on_change(&[Param::Timeout, Param::TcpKeepalive], move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(())
    });
    config.on_change(&[Param::Port], |config| match config.get_int(Param::Port) {
        13 => Err("Unable to listen on this port. Check server logs.".into()),
        _ => Ok(()),
    });

    assert_eq!(set(&config, &["timeout", "5", "tcp-keepalive", "6"]), "OK");
    assert_eq!(applied.load(Ordering::Relaxed), 1, "one run for both");
    assert_eq!(set(&config, &["timeout", "5"]), "OK");
    assert_eq!(applied.load(Ordering::Relaxed), 1, "nothing changed");

    let error = set(&config, &["timeout", "50", "port", "13", "hz", "99"]);
    let expect = "-ERR CONFIG SET failed (possibly related to argument 'port') - \
                  Unable to listen on this port. Check server logs.";
    assert_eq!(error, expect);
    assert_eq!(applied.load(Ordering::Relaxed), 3, "applied and restored");
    assert!(set(&config, &["timeout", "60", "hz", "x"]).starts_with("-ERR"));
    for (name, expect) in [("timeout", "5"), ("port", "6379"), ("hz", "10")] {
        assert_eq!(get(&config, name), expect, "{name}");
    }
    assert_eq!(config.get_int(Param::Timeout), 5);
}

#[test]
fn protection_and_loading_refuse_changes() {
    let set_dbfilename = |mode: &str, local_client: bool| {
        let config = load(&["--enable-protected-configs", mode]);
        let context = SetContext {
            local_client,
            loading: false,
        };
        config.set(&[(b"dbfilename", b"x")], &context).is_ok()
    };
    assert!(!set_dbfilename("no", true));
    assert!(set_dbfilename("yes", false));
    assert!(set_dbfilename("local", true));
    assert!(!set_dbfilename("local", false));

    let config = load(&["--enable-protected-configs", "yes"]);
    let loading = SetContext {
        local_client: true,
        loading: true,
    };
    assert_eq!(
        config.set(&[(b"dir", b"/")], &loading),
        Err(config::SetError::Loading)
    );
    assert_eq!(config.set(&[(b"hz", b"5")], &loading), Ok(()));
}

#[test]
fn a_rewritten_file_says_the_same() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("redis.conf");
    let text = "# kept\nport 7000\n\n\n\nsave 1 2\nsave 3 4\nhz 20\nnonsense 1\n\
                include /dev/null\nslave-read-only no\nrename-command a \"\"\n";
    std::fs::write(&path, text.replace("nonsense 1\n", "")).unwrap();
    let config = load(&[path.to_str().unwrap()]);
    std::fs::write(&path, text).unwrap();
    assert_eq!(
        set(
            &config,
            &["hz", "10", "save", "5 6", "requirepass", "a \"b\"\n"]
        ),
        "OK"
    );
    config.rewrite(Force::Changed).unwrap();

    let expect = format!(
        "# kept\nport 7000\n\nsave 5 6\n\nhz 10\n# ??? nonsense 1\ninclude /dev/null\n\
         replica-read-only no\nrename-command a \"\"\n\n# Generated by CONFIG REWRITE\n\
         dir \"{}\"\nrequirepass \"a \\\"b\\\"\\n\"\n\
         latency-tracking-info-percentiles 50 99 99.9\n",
        std::env::current_dir().unwrap().display()
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expect);
    let again = load(&[path.to_str().unwrap()]);
    assert_eq!(again.get(&[b"*"]), config.get(&[b"*"]));
    again.rewrite(Force::Changed).unwrap();
    assert_eq!(
        std::fs::read_to_string(&path).unwrap(),
        format!("{expect}\n")
    );
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        1,
        "no temporary file is left"
    );

    config.rewrite(Force::All).unwrap();
    let forced = load(&[path.to_str().unwrap()]);
    assert_eq!(forced.get(&[b"*"]), config.get(&[b"*"]));
    assert_eq!(
        Config::new()
            .rewrite(Force::Changed)
            .unwrap_err()
            .to_string(),
        "The server is running without a config file"
    );
}
