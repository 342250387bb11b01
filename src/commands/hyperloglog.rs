//! HyperLogLog: strings that tell how many different elements were added to them.
//!
//! What changes one is logged as its request. PFCOUNT keeps the count it has computed in the
//! string, for whoever asks next, and is logged then too: a follower's string has the same
//! bytes.

use super::args::Args;
use super::cx::{Cx, Outcome};
use super::error::CmdError;
use super::spec::flag::{ADMIN, DENYOOM, FAST, MAY_REPLICATE, READONLY, WRITE};
use super::spec::{KeySpec, Spec, access, category};
use crate::config::Param;
use crate::store::effects::event::STRING;
use crate::store::entry::Entry;
use crate::store::keyspace::Key;
use crate::table::SlotMut;
use crate::types::hll::{self, Corrupt, Merged};

const H: u32 = category::HYPERLOGLOG;

pub const COMMANDS: &[Spec] = &[
    Spec::new("pfadd", -2, WRITE | DENYOOM | FAST, H, pfadd)
        .keys(&[KeySpec::at(1, access::RW | access::INSERT)]),
    Spec::new("pfcount", -2, READONLY | MAY_REPLICATE, H, pfcount).keys(&[KeySpec::range(
        1,
        -1,
        1,
        access::RW | access::ACCESS,
    )]),
    Spec::new("pfmerge", -2, WRITE | DENYOOM, H, pfmerge).keys(&[
        KeySpec::at(1, access::RW | access::ACCESS | access::INSERT),
        KeySpec::range(2, -1, 1, access::RO | access::ACCESS),
    ]),
    Spec::new("pfdebug", 3, WRITE | DENYOOM | ADMIN, H, pfdebug)
        .keys(&[KeySpec::at(2, access::RW | access::ACCESS)]),
    Spec::new("pfselftest", 1, ADMIN, H, pfselftest),
];

impl From<Corrupt> for CmdError {
    fn from(_: Corrupt) -> CmdError {
        CmdError::text("INVALIDOBJ Corrupted HLL object detected")
    }
}

/// The bytes of an entry that must be a HyperLogLog.
fn checked(entry: &Entry) -> Result<&[u8], CmdError> {
    let bytes = entry.string_bytes().ok_or(CmdError::WrongType)?;
    match hll::is_one(bytes) {
        true => Ok(bytes),
        false => Err(CmdError::text(
            "WRONGTYPE Key is not a valid HyperLogLog string value.",
        )),
    }
}

/// Changes the HyperLogLog at a key, and says whether there is one. What `change` has done
/// stays, even if it fails.
fn change<R>(
    cx: &mut Cx,
    key: Key,
    change: impl FnOnce(&mut Vec<u8>) -> R,
) -> Result<Option<R>, CmdError> {
    match cx.store.write(cx.session.db, key) {
        Some(entry) => change_entry(entry, key, change).map(Some),
        None => Ok(None),
    }
}

fn change_entry<R>(
    mut entry: SlotMut<Entry>,
    key: Key,
    change: impl FnOnce(&mut Vec<u8>) -> R,
) -> Result<R, CmdError> {
    checked(&entry)?;
    if let Some(bytes) = entry.long_string_mut() {
        return Ok(change(bytes));
    }
    let mut bytes = entry.string_bytes().unwrap_or_default().to_vec();
    let result = change(&mut bytes);
    let changed = Entry::raw(key.bytes, bytes, entry.expire_at_ms());
    changed.set_access(entry.access());
    entry.replace(changed);
    Ok(result)
}

fn sparse_max_bytes(cx: &Cx) -> usize {
    cx.shared.config.get_bytes(Param::HllSparseMaxBytes) as usize
}

fn pfadd(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let key = args.key();
    let db = cx.session.db;
    let sparse_max_bytes = sparse_max_bytes(cx);
    let mut updates = 0;
    let entry = cx.store.write_or_new(db, key, || {
        updates += 1;
        Entry::raw(key.bytes, hll::new(), None)
    });
    let result = change_entry(entry, key, |bytes| {
        let result = add_all(bytes, args, sparse_max_bytes, &mut updates);
        if updates > 0 {
            hll::void_count(bytes);
        }
        result
    })?;
    if updates > 0 {
        cx.store.touch(db, key);
        cx.event(STRING, "pfadd", key);
        cx.dirty(updates);
    }
    result?;
    cx.reply.integer((updates > 0).into());
    Ok(Outcome::Done)
}

fn add_all(
    bytes: &mut Vec<u8>,
    mut elements: Args,
    sparse_max_bytes: usize,
    updates: &mut u64,
) -> Result<(), Corrupt> {
    while let Some(element) = elements.next() {
        *updates += u64::from(hll::add(bytes, element, sparse_max_bytes)?);
    }
    Ok(())
}

fn pfcount(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let db = cx.session.db;
    if args.left() > 1 {
        let count = merged(cx, args)?.count();
        cx.reply.integer(count as i64);
        return Ok(Outcome::Done);
    }
    let key = args.key();
    let Some(entry) = cx.store.read(db, key) else {
        cx.reply.integer(0);
        return Ok(Outcome::Done);
    };
    let bytes = checked(&entry)?;
    let count = match hll::known_count(bytes) {
        Some(count) => count,
        None => {
            let count = hll::count(bytes)?;
            if let Some(mut entry) = cx.store.write(db, key)
                && let Some(bytes) = entry.string_bytes_mut()
            {
                hll::keep_count(bytes, count);
            }
            cx.store.touch(db, key);
            cx.dirty(1);
            count
        }
    };
    cx.reply.integer(count as i64);
    Ok(Outcome::Done)
}

/// All that the keys hold.
fn merged(cx: &mut Cx, mut args: Args) -> Result<Merged, CmdError> {
    let mut merged = Merged::default();
    while !args.is_empty() {
        if let Some(entry) = cx.store.read(cx.session.db, args.key()) {
            merged.add(checked(&entry)?)?;
        }
    }
    Ok(merged)
}

fn pfmerge(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    let merged = merged(cx, args.clone())?;
    let (db, key) = (cx.session.db, args.key());
    let sparse_max_bytes = sparse_max_bytes(cx);
    if cx.store.find(db, key).is_none() {
        cx.store
            .put(db, key, Entry::raw(key.bytes, hll::new(), None));
    }
    let result = change(cx, key, |bytes| {
        merged.write(bytes, sparse_max_bytes)?;
        hll::void_count(bytes);
        Ok::<(), Corrupt>(())
    });
    result?.transpose()?;
    cx.store.touch(db, key);
    cx.event(STRING, "pfadd", key);
    cx.dirty(1);
    cx.reply.ok();
    Ok(Outcome::Done)
}

fn pfdebug(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if args.take("simd") {
        return simd(cx, args);
    }
    let what = args.bytes();
    let key = args.key();
    let Some(entry) = cx.store.find(cx.session.db, key) else {
        return Err(CmdError::text("ERR The specified key does not exist"));
    };
    let bytes = checked(&entry)?;
    let is_sparse = hll::is_sparse(bytes);
    if what.eq_ignore_ascii_case(b"encoding") {
        cx.reply.simple(if is_sparse { "sparse" } else { "dense" });
    } else if what.eq_ignore_ascii_case(b"decode") {
        if !is_sparse {
            return Err(CmdError::text("ERR HLL encoding is not sparse"));
        }
        let text = hll::describe(bytes);
        cx.reply.bulk(text.as_bytes());
    } else if what.eq_ignore_ascii_case(b"todense") {
        make_dense(cx, key)?;
        cx.reply.integer(is_sparse.into());
    } else if what.eq_ignore_ascii_case(b"getreg") {
        make_dense(cx, key)?;
        let mut merged = Merged::default();
        if let Some(entry) = cx.store.peek(cx.session.db, key) {
            merged.add(checked(&entry)?)?;
        }
        cx.reply.array(hll::REGISTERS);
        for rank in merged.registers() {
            cx.reply.integer(i64::from(rank));
        }
    } else {
        let template = "ERR Unknown PFDEBUG subcommand '{}'";
        return Err(CmdError::quoting(template, &[what]));
    }
    Ok(Outcome::Done)
}

/// Makes a sparse one dense, logged as any other change of its bytes.
fn make_dense(cx: &mut Cx, key: Key) -> Result<(), CmdError> {
    let was_sparse = change(cx, key, |bytes| {
        let was_sparse = hll::is_sparse(bytes);
        hll::make_dense(bytes).map(|()| was_sparse)
    })?;
    if was_sparse.transpose()? == Some(true) {
        cx.dirty(1);
    }
    Ok(())
}

/// There is one way of computing here: what others switch on and off is always "on".
fn simd(cx: &mut Cx, mut args: Args) -> Result<Outcome, CmdError> {
    if args.take("on") {
        cx.reply.simple("enabled");
    } else if args.take("off") {
        cx.reply.simple("disabled");
    } else {
        return Err(CmdError::text("ERR Argument must be ON or OFF"));
    }
    Ok(Outcome::Done)
}

/// Whether counts are as near to the truth as they are to be, and both forms agree.
fn pfselftest(cx: &mut Cx, _args: Args) -> Result<Outcome, CmdError> {
    const ELEMENTS: u64 = 100_000;
    /// Six times the standard error.
    const ERROR_MAX: f64 = 0.0487;
    let (mut sparse, mut dense) = (hll::new(), hll::new());
    hll::make_dense(&mut dense)?;
    for n in 1..=ELEMENTS {
        let element = n.to_le_bytes();
        let in_sparse = hll::add(&mut sparse, &element, sparse_max_bytes(cx))?;
        let in_dense = hll::add(&mut dense, &element, 0)?;
        let mut is_right = in_sparse == in_dense;
        if n.is_power_of_two() || n == ELEMENTS {
            let count = hll::count(&sparse)?;
            let error_max = (n as f64 * ERROR_MAX).max(1.0);
            is_right &= count == hll::count(&dense)? && count.abs_diff(n) as f64 <= error_max;
        }
        if !is_right {
            let error = format!("TESTFAILED after {n} elements");
            return Err(CmdError::made(error));
        }
    }
    cx.reply.ok();
    Ok(Outcome::Done)
}

#[cfg(test)]
mod tests {
    use crate::commands::testing::TestServer;

    const NO_HLL: &str = "-WRONGTYPE Key is not a valid HyperLogLog string value.";
    const CORRUPT: &str = "-INVALIDOBJ Corrupted HLL object detected";

    #[test]
    fn adding_and_counting() {
        let mut server = TestServer::new();
        server.check_all("PFCOUNT a", ":0", &[], &["keymiss a"]);
        server.check_all("PFADD a", ":1", &["PFADD a"], &["new a", "pfadd a"]);
        server.check_all("PFADD a", ":0", &[], &[]);
        server.check_all("PFADD a x y z", ":1", &["PFADD a x y z"], &["pfadd a"]);
        server.check_all("PFADD a x y z", ":0", &[], &[]);
        server.check_all("PFCOUNT a", ":3", &["PFCOUNT a"], &[]);
        server.check_all("PFCOUNT a", ":3", &[], &[]);
        server.check("PFADD a v", ":1");
        server.check("PFCOUNT a", ":4");
        server.check("PFADD b x q", ":1");
        server.check_all("PFCOUNT a none b", ":5", &[], &["keymiss none"]);
        server.check("OBJECT ENCODING a", "\"raw\"");
        assert_eq!(server.changes(), 1 + 3 + 1 + 1 + 1 + 3);
    }

    #[test]
    fn from_sparse_to_dense() {
        let mut server = TestServer::with(&[("hll-sparse-max-bytes", "100")]);
        server.run("PFADD a 0");
        server.run("PEXPIRE a 1000");
        let mut was_sparse = 0;
        for n in 1..4000 {
            server.run(&format!("PFADD a {n}"));
            was_sparse += i32::from(server.run("PFDEBUG ENCODING a") == "+sparse");
        }
        assert!((20..60).contains(&was_sparse), "{was_sparse}");
        server.check("STRLEN a", ":12304");
        server.check("PTTL a", ":1000");
        server.check("PFCOUNT a", ":4003");
        server.check("PFDEBUG DECODE a", "-ERR HLL encoding is not sparse");
    }

    #[test]
    fn merging() {
        let mut server = TestServer::new();
        server.run("PFADD a 1 2 3");
        server.run("PFADD b 3 4");
        server.check_all(
            "PFMERGE c a none b",
            "+OK",
            &["PFMERGE c a none b"],
            &["keymiss c", "keymiss none", "new c", "pfadd c"],
        );
        server.check("PFCOUNT c", ":4");
        server.check("PFDEBUG ENCODING c", "+sparse");
        server.check_all("PFDEBUG TODENSE b", ":1", &["PFDEBUG TODENSE b"], &[]);
        server.check_all("PFDEBUG TODENSE b", ":0", &[], &[]);
        server.check("PFMERGE a b", "+OK");
        server.check("PFDEBUG ENCODING a", "+dense");
        server.check("PFCOUNT a", ":4");
        server.check("PFMERGE none", "+OK");
        server.check("PFCOUNT none", ":0");
    }

    #[test]
    fn looking_inside() {
        let mut server = TestServer::new();
        server.run("PFADD a a");
        server.check("PFDEBUG DECODE a", "\"Z:12711 v:2,1 Z:3672\"");
        let registers = server.run("PFDEBUG GETREG a");
        assert_eq!(registers.matches(":2").count(), 1);
        assert_eq!(registers.matches(":0").count(), 16383);
        server.check("PFDEBUG ENCODING a", "+dense");
        server.check("PFDEBUG X a", "-ERR Unknown PFDEBUG subcommand 'X'");
        let no_key = "-ERR The specified key does not exist";
        server.check("PFDEBUG X none", no_key);
        server.check("PFDEBUG SIMD ON", "+enabled");
        server.check("PFDEBUG SIMD x", "-ERR Argument must be ON or OFF");
        server.check("PFSELFTEST", "+OK");
    }

    #[test]
    fn what_is_no_hyperloglog() {
        let mut server = TestServer::new();
        server.run("PFADD h a");
        server.run("SET a abc");
        for line in [
            "PFADD a x",
            "PFCOUNT a",
            "PFCOUNT h a",
            "PFMERGE a h",
            "PFMERGE h a",
            "PFDEBUG ENCODING a",
        ] {
            server.check(line, NO_HLL);
        }
        // Something behind the registers.
        server.run("APPEND h hello");
        server.check("PFCOUNT h", CORRUPT);
        server.check("PFCOUNT h none", CORRUPT);
        server.check("PFMERGE b h", CORRUPT);
        server.check("PFDEBUG GETREG h", CORRUPT);
        // Nothing behind the header.
        server.run("SET h \"HYLL\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x80\"");
        server.check("PFCOUNT h", CORRUPT);
        server.check("PFADD h x", CORRUPT);
        server.check("EXISTS b", ":0");
    }
}
