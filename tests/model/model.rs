//! The commands once more, as naive as can be: what the server must answer.

use std::collections::BTreeMap;

/// What a command is answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Ok,
    Nil,
    Integer(i64),
    Bulk(Vec<u8>),
    Array(Vec<Reply>),
    Error(String),
    /// A number that the model cannot compute: what the server says is taken (`learn`).
    Unsure,
}

use Reply::{Array, Bulk, Integer, Nil, Ok as Done};

impl Reply {
    /// As RESP2.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Done => out.extend_from_slice(b"+OK\r\n"),
            Nil => out.extend_from_slice(b"$-1\r\n"),
            Integer(value) => out.extend_from_slice(format!(":{value}\r\n").as_bytes()),
            Bulk(bytes) => {
                out.extend_from_slice(format!("${}\r\n", bytes.len()).as_bytes());
                out.extend_from_slice(bytes);
                out.extend_from_slice(b"\r\n");
            }
            Array(items) => {
                out.extend_from_slice(format!("*{}\r\n", items.len()).as_bytes());
                items.iter().for_each(|item| item.encode(out));
            }
            Reply::Unsure => {}
            Reply::Error(text) => out.extend_from_slice(format!("-{text}\r\n").as_bytes()),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Held {
    pub value: Vec<u8>,
    pub expire_at_ms: Option<i64>,
}

#[derive(Default)]
pub struct Model {
    pub keys: BTreeMap<Vec<u8>, Held>,
    now_ms: i64,
}

fn error<T>(text: &str) -> Result<T, Reply> {
    Err(Reply::Error(format!("ERR {text}")))
}

fn number(text: &[u8]) -> Result<i64, Reply> {
    let parsed = std::str::from_utf8(text).ok().and_then(|text| {
        let value: i64 = text.parse().ok()?;
        (value.to_string() == text).then_some(value)
    });
    parsed.map_or_else(
        || error("value is not an integer or out of range"),
        Result::Ok,
    )
}

/// Quarters below this and of so few digits print alike as a double and as Redis's longer
/// one.
const EXACT_MAX: f64 = 1e12;
const FLOAT_BYTES_MAX: usize = 15;

fn float(text: &[u8]) -> Result<f64, Reply> {
    let parsed = std::str::from_utf8(text).ok().and_then(|t| t.parse().ok());
    parsed.map_or_else(|| error("value is not a valid float"), Result::Ok)
}

impl Model {
    pub fn run(&mut self, args: &[Vec<u8>], now_ms: i64) -> Reply {
        self.now_ms = now_ms;
        self.keys
            .retain(|_, held| held.expire_at_ms.is_none_or(|at_ms| at_ms >= now_ms));
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let name = String::from_utf8_lossy(args[0]).to_lowercase();
        self.command(&name, &args[1..])
            .unwrap_or_else(|error| error)
    }

    fn command(&mut self, name: &str, args: &[&[u8]]) -> Result<Reply, Reply> {
        Ok(match (name, args) {
            ("get", [key]) => self.bulk(key),
            ("set", [key, value, options @ ..]) => self.set(key, value, options)?,
            ("setnx", [key, value]) => {
                let absent = !self.keys.contains_key(*key);
                if absent {
                    self.put(key, value, None);
                }
                Integer(absent.into())
            }
            ("setex", [key, time, value]) => self.set_until(name, key, "ex", time, value)?,
            ("psetex", [key, time, value]) => self.set_until(name, key, "px", time, value)?,
            ("getset", [key, value]) => {
                let old = self.bulk(key);
                self.put(key, value, None);
                old
            }
            ("getdel", [key]) => {
                let old = self.bulk(key);
                self.keys.remove(*key);
                old
            }
            ("delifeq", [key, expected]) => {
                let equal = self.value(key).is_some_and(|value| value == *expected);
                if equal {
                    self.keys.remove(*key);
                }
                Integer(equal.into())
            }
            ("getex", [key, options @ ..]) => self.getex(key, options)?,
            ("strlen", [key]) => Integer(self.value(key).unwrap_or_default().len() as i64),
            ("append", [key, tail]) => {
                let end = self.value(key).unwrap_or_default().len();
                self.write(key, end, tail)
            }
            ("setrange", [key, offset, bytes]) => {
                let offset = number(offset)?;
                match usize::try_from(offset) {
                    Ok(_) if bytes.is_empty() => {
                        Integer(self.value(key).unwrap_or_default().len() as i64)
                    }
                    Ok(offset) => self.write(key, offset, bytes),
                    Err(_) => return error("offset is out of range"),
                }
            }
            ("getrange" | "substr", [key, start, end]) => {
                self.range(key, number(start)?, number(end)?)
            }
            ("mget", keys) => Array(keys.iter().map(|key| self.bulk(key)).collect()),
            ("mset", pairs) => {
                self.put_pairs(pairs);
                Done
            }
            ("msetnx", pairs) => {
                let taken = pairs.chunks(2).any(|pair| self.keys.contains_key(pair[0]));
                if !taken {
                    self.put_pairs(pairs);
                }
                Integer((!taken).into())
            }
            ("incr", [key]) => self.add(key, 1)?,
            ("decr", [key]) => self.add(key, -1)?,
            ("incrby", [key, by]) => self.add(key, number(by)?)?,
            ("decrby", [key, by]) => self.add(key, -number(by)?)?,
            ("incrbyfloat", [key, by]) => {
                let old = self.value(key).unwrap_or(b"0");
                let sum = float(old)? + float(by)?;
                let is_exact = sum.abs() < EXACT_MAX && (4.0 * sum).fract() == 0.0;
                if old.len() > FLOAT_BYTES_MAX || !is_exact {
                    return Ok(Reply::Unsure);
                }
                let sum = sum.to_string();
                self.keep(key, sum.as_bytes());
                Bulk(sum.into_bytes())
            }
            _ => panic!(
                "the model does not know {name} with {} arguments",
                args.len()
            ),
        })
    }

    fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.keys.get(key).map(|held| held.value.as_slice())
    }

    fn bulk(&self, key: &[u8]) -> Reply {
        self.value(key).map_or(Nil, |value| Bulk(value.to_vec()))
    }

    fn put(&mut self, key: &[u8], value: &[u8], expire_at_ms: Option<i64>) {
        let value = value.to_vec();
        let held = Held {
            value,
            expire_at_ms,
        };
        self.keys.insert(key.to_vec(), held);
    }

    /// Takes over what the server answered a command on one key.
    pub fn learn(&mut self, args: &[Vec<u8>], value: &[u8]) {
        self.keep(&args[1], value);
    }

    /// Puts a value in, and leaves the time to live.
    fn keep(&mut self, key: &[u8], value: &[u8]) {
        let expire_at_ms = self.keys.get(key).and_then(|held| held.expire_at_ms);
        self.put(key, value, expire_at_ms);
    }

    fn put_pairs(&mut self, pairs: &[&[u8]]) {
        pairs
            .chunks(2)
            .for_each(|pair| self.put(pair[0], pair[1], None));
    }

    fn write(&mut self, key: &[u8], offset: usize, bytes: &[u8]) -> Reply {
        let mut value = self.value(key).unwrap_or_default().to_vec();
        let end = offset + bytes.len();
        if value.len() < end {
            value.resize(end, 0);
        }
        value[offset..end].copy_from_slice(bytes);
        self.keep(key, &value);
        Integer(value.len() as i64)
    }

    fn range(&self, key: &[u8], start: i64, end: i64) -> Reply {
        let value = self.value(key).unwrap_or_default();
        let len = value.len() as i64;
        if start < 0 && end < 0 && start > end {
            return Bulk(Vec::new());
        }
        let place = |at: i64| if at < 0 { (at + len).max(0) } else { at };
        let (start, end) = (place(start), place(end));
        let inside = |&(at, _): &(usize, &u8)| (start..=end).contains(&(at as i64));
        Bulk(
            value
                .iter()
                .enumerate()
                .filter(inside)
                .map(|(_, byte)| *byte)
                .collect(),
        )
    }

    fn add(&mut self, key: &[u8], by: i64) -> Result<Reply, Reply> {
        let old = self.value(key).map_or(Ok(0), number)?;
        let Some(sum) = old.checked_add(by) else {
            return error("increment or decrement would overflow");
        };
        self.keep(key, sum.to_string().as_bytes());
        Ok(Integer(sum))
    }

    fn deadline(&self, command: &str, form: &str, time: &[u8]) -> Result<i64, Reply> {
        let amount = number(time)?;
        let unit = if form.starts_with('e') { 1000 } else { 1 };
        let start = if form.ends_with("at") { 0 } else { self.now_ms };
        if amount <= 0 {
            return error(&format!("invalid expire time in '{command}' command"));
        }
        Ok(amount * unit + start)
    }

    fn set_until(
        &mut self,
        command: &str,
        key: &[u8],
        form: &str,
        time: &[u8],
        value: &[u8],
    ) -> Result<Reply, Reply> {
        let at_ms = self.deadline(command, form, time)?;
        self.put(key, value, Some(at_ms));
        Ok(Done)
    }

    /// Well-formed options only, in any order.
    fn set(&mut self, key: &[u8], value: &[u8], options: &[&[u8]]) -> Result<Reply, Reply> {
        let old = self.bulk(key);
        let (mut holds, mut get, mut keep, mut expire_at_ms) = (true, false, false, None);
        let mut options = options.iter();
        while let Some(option) = options.next() {
            match &String::from_utf8_lossy(option).to_lowercase()[..] {
                "nx" => holds = old == Nil,
                "xx" => holds = old != Nil,
                "get" => get = true,
                "keepttl" => keep = true,
                "ifeq" => holds = old == Bulk(options.next().unwrap().to_vec()),
                form => {
                    let time = options.next().unwrap();
                    expire_at_ms = Some(self.deadline("set", form, time)?);
                }
            }
        }
        match (holds, keep) {
            (false, _) => {}
            (true, true) => self.keep(key, value),
            (true, false) => self.put(key, value, expire_at_ms),
        }
        Ok(match (get, holds) {
            (true, _) => old,
            (false, true) => Done,
            (false, false) => Nil,
        })
    }

    fn getex(&mut self, key: &[u8], options: &[&[u8]]) -> Result<Reply, Reply> {
        let old = self.bulk(key);
        if old == Nil {
            return Ok(Nil);
        }
        let at_ms = match options {
            [] => return Ok(old),
            [form, time] => {
                let form = String::from_utf8_lossy(form).to_lowercase();
                Some(self.deadline("getex", &form, time)?)
            }
            _ => None,
        };
        if let Some(held) = self.keys.get_mut(key) {
            held.expire_at_ms = at_ms;
        }
        Ok(old)
    }
}
