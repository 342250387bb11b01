//! MIGRATE: takes packed keys to another server, and settles what has arrived.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::connection::Connection;
use super::links::Link;
use crate::base::clock;
use crate::base::number::digits;
use crate::exec::migrate::{Settled, settle};
use crate::resp::argv::encode_command;
use crate::resp::template::fill;
use crate::resp::value::{Value, parse_value};
use crate::shared::migration::Migration;

/// Keys that change while they are under way are sent again so often.
const ROUNDS_MAX: usize = 16;

/// Why a link is of no use any more.
#[derive(Debug)]
enum Broken {
    TimedOut(&'static str),
    /// It ended, or does not speak our protocol.
    Ended(&'static str),
}

pub const WRITING: &str = "IOERR error or timeout writing to target instance";
pub const READING: &str = "IOERR error or timeout reading to target instance";
pub const CONNECTING: &str = "IOERR error or timeout connecting to the client";

/// Returns the text of the reply; that of an error is what stands behind the dash.
pub async fn run(connection: &mut Connection, mut migration: Migration) -> Result<String, Vec<u8>> {
    for _ in 0..ROUNDS_MAX {
        let sent = send(connection, &mut migration).await;
        match settle_when_it_may(connection, &mut migration, sent.is_ok()).await {
            Settled::Again(parcels) => {
                // What is there of them is what was sent before.
                migration.replace = true;
                migration.parcels = parcels;
            }
            Settled::Follows => {
                let changed = "UNBLOCKED force unblock from blocking operation, instance state \
                               changed (master -> replica?)";
                return Err(changed.into());
            }
            Settled::Done | Settled::Paused { .. } => return sent.map(|()| "OK".to_owned()),
        }
    }
    settle_when_it_may(connection, &mut migration, false).await;
    Err("ERR The keys change faster than they can be migrated".into())
}

async fn settle_when_it_may(
    connection: &mut Connection,
    migration: &mut Migration,
    tries_again: bool,
) -> Settled {
    loop {
        let worker = connection.worker.clone();
        let ended = worker.engine.shared.pause.ended.notified();
        let settled = {
            let locker = &mut worker.executor.borrow_mut().locker;
            let session = &mut connection.session;
            settle(&worker.engine, session, locker, migration, tries_again)
        };
        let Settled::Paused { until_ms } = settled else {
            return settled;
        };
        let left_ms = (until_ms - clock::unix_ms()).max(1) as u64;
        let _ = timeout(Duration::from_millis(left_ms), ended).await;
    }
}

/// Sends the parcels and marks those that have arrived. A link that was kept may have died
/// since: then a new one is tried.
async fn send(connection: &Connection, migration: &mut Migration) -> Result<(), Vec<u8>> {
    let links = connection.worker.links.clone();
    let (host, port) = (migration.host.clone(), migration.port.clone());
    if let Some(link) = links.take(&host, &port) {
        let mut transfer = Transfer::new(link, migration.timeout);
        match transfer.run(migration).await {
            Ok(answer) => {
                links.keep(&host, &port, transfer.link);
                return answer;
            }
            Err(Broken::Ended(_)) if !transfer.has_heard => {}
            Err(Broken::Ended(text) | Broken::TimedOut(text)) => return Err(text.into()),
        }
    }
    let link = connect(migration).await?;
    let mut transfer = Transfer::new(link, migration.timeout);
    match transfer.run(migration).await {
        Ok(answer) => {
            links.keep(&host, &port, transfer.link);
            answer
        }
        Err(Broken::Ended(text) | Broken::TimedOut(text)) => Err(text.into()),
    }
}

async fn connect(migration: &Migration) -> Result<Link, String> {
    let port = migration.port.parse::<u16>();
    let port = port.map_err(|_| CONNECTING.to_owned())?;
    let connecting = TcpStream::connect((migration.host.as_str(), port));
    let connected = timeout(migration.timeout, connecting).await;
    let Ok(connected) = connected else {
        return Err(CONNECTING.to_owned());
    };
    let stream = connected.map_err(|error| connect_error(&error))?;
    let _ = stream.set_nodelay(true);
    Ok(Link { stream, db: None })
}

pub fn connect_error(error: &io::Error) -> String {
    let text = match error.kind() {
        // Redis notices this when it writes.
        io::ErrorKind::ConnectionRefused => WRITING,
        _ => CONNECTING,
    };
    text.to_owned()
}

/// One use of a link.
struct Transfer {
    link: Link,
    /// For each step: connecting, a write, a read.
    timeout: Duration,
    received: Vec<u8>,
    /// Whether the other end has said anything.
    has_heard: bool,
}

impl Transfer {
    fn new(link: Link, timeout: Duration) -> Transfer {
        Transfer {
            link,
            timeout,
            received: Vec::new(),
            has_heard: false,
        }
    }

    /// Ok when the link is in order; inside, whether the target took everything, or its
    /// first complaint.
    async fn run(&mut self, migration: &mut Migration) -> Result<Result<(), Vec<u8>>, Broken> {
        let (request, preludes) = request(migration, self.link.db);
        self.write(&request).await?;
        let mut complaint = None;
        for _ in 0..preludes {
            note_complaint(self.reply().await?, &mut complaint);
        }
        let is_ready = complaint.is_none();
        for parcel in &mut migration.parcels {
            let taken = note_complaint(self.reply().await?, &mut complaint);
            parcel.has_arrived = taken && is_ready;
        }
        self.link.db = complaint.is_none().then_some(migration.to_db);
        Ok(answer(complaint))
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        match timeout(self.timeout, self.link.stream.write_all(bytes)).await {
            Ok(written) => written.map_err(|_| Broken::Ended(WRITING)),
            Err(_) => Err(Broken::TimedOut(WRITING)),
        }
    }

    async fn reply(&mut self) -> Result<Value, Broken> {
        loop {
            match parse_value(&self.received) {
                Ok(Some((value, len_bytes))) => {
                    self.received.drain(..len_bytes);
                    return Ok(value);
                }
                Ok(None) => {}
                Err(_) => return Err(Broken::Ended(READING)),
            }
            let reading = self.link.stream.read_buf(&mut self.received);
            match timeout(self.timeout, reading).await {
                Ok(Ok(0) | Err(_)) => return Err(Broken::Ended(READING)),
                Ok(Ok(_)) => self.has_heard = true,
                Err(_) => return Err(Broken::TimedOut(READING)),
            }
        }
    }
}

/// All commands at once, and how many of them come before the keys. `selected_db` is the
/// database that the link has selected, as far as is known.
pub fn request(migration: &Migration, selected_db: Option<i64>) -> (Vec<u8>, usize) {
    let (mut request, mut preludes) = (Vec::new(), 0);
    if !migration.auth.is_empty() {
        let mut auth: Vec<&[u8]> = vec![b"AUTH"];
        auth.extend(migration.auth.iter().map(|word| &**word));
        encode_command(&auth, &mut request);
        preludes += 1;
    }
    if selected_db != Some(migration.to_db) {
        let mut text = digits();
        encode_command(&[b"SELECT", text.of(migration.to_db)], &mut request);
        preludes += 1;
    }
    let now_ms = clock::unix_ms();
    for parcel in &migration.parcels {
        let left_ms = parcel
            .expire_at_ms
            .map_or(0, |at_ms| (at_ms - now_ms).max(1));
        let mut text = digits();
        let left = text.of(left_ms);
        let mut restore: Vec<&[u8]> = vec![b"RESTORE", &parcel.key, left, &parcel.payload];
        if migration.replace {
            restore.push(b"REPLACE");
        }
        encode_command(&restore, &mut request);
    }
    (request, preludes)
}

pub fn answer(complaint: Option<Vec<u8>>) -> Result<(), Vec<u8>> {
    match complaint {
        None => Ok(()),
        Some(text) => Err(fill("ERR Target instance replied with error: {}", &[&text])),
    }
}

/// Whether a reply is no error. The first error is kept.
pub fn note_complaint(reply: Value, complaint: &mut Option<Vec<u8>>) -> bool {
    match reply {
        Value::Error(text) => {
            complaint.get_or_insert(text);
            false
        }
        _ => true,
    }
}
