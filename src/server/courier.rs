//! MIGRATE inside of a transaction: the thread waits for the target, under the locks of the
//! transaction, as all of Redis does.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};

use super::migrate::{
    CONNECTING, READING, WRITING, answer, connect_error, note_complaint, request,
};
use crate::resp::value::{Value, parse_value};
use crate::shared::migration::Migration;

/// Takes all parcels to their target and marks those that have arrived.
///
/// # Errors
/// The text of the reply, without its dash.
pub fn carry(migration: &mut Migration) -> Result<(), Vec<u8>> {
    let mut stream = connect(migration)?;
    let (request, preludes) = request(migration, None);
    stream.write_all(&request).map_err(|_| WRITING)?;
    let (mut received, mut complaint) = (Vec::new(), None);
    for _ in 0..preludes {
        note_complaint(reply(&mut stream, &mut received)?, &mut complaint);
    }
    let is_ready = complaint.is_none();
    for parcel in &mut migration.parcels {
        let taken = note_complaint(reply(&mut stream, &mut received)?, &mut complaint);
        parcel.has_arrived = taken && is_ready;
    }
    answer(complaint)
}

fn connect(migration: &Migration) -> Result<TcpStream, String> {
    let port = migration.port.parse::<u16>().map_err(|_| CONNECTING)?;
    let addresses = (migration.host.as_str(), port).to_socket_addrs();
    let mut error = io::Error::other("no address");
    for address in addresses.map_err(|_| CONNECTING)? {
        match TcpStream::connect_timeout(&address, migration.timeout) {
            Ok(stream) => {
                let timeout = Some(migration.timeout);
                let ready = stream
                    .set_nodelay(true)
                    .and_then(|()| stream.set_read_timeout(timeout))
                    .and_then(|()| stream.set_write_timeout(timeout));
                return ready.map(|()| stream).map_err(|_| CONNECTING.to_owned());
            }
            Err(other) => error = other,
        }
    }
    Err(connect_error(&error))
}

fn reply(stream: &mut TcpStream, received: &mut Vec<u8>) -> Result<Value, String> {
    let mut buffer = [0; 4096];
    loop {
        match parse_value(received) {
            Ok(Some((value, len_bytes))) => {
                received.drain(..len_bytes);
                return Ok(value);
            }
            Ok(None) => {}
            Err(_) => return Err(READING.to_owned()),
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return Err(READING.to_owned()),
            Ok(len) => received.extend_from_slice(&buffer[..len]),
        }
    }
}
