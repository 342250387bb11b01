//! The network of a simulation: pipes with latency, a pace, and a will of their own.
//!
//! Every connection is two lanes. A lane delivers bytes late, in pieces of any size, not at
//! all while its pair of servers is held, and up to the byte at which it is told to break.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use lockstep::base::rng::Rng;
use lockstep::net::stream::{Carrier, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// What a lane takes before its writer has to wait, as a socket's buffers.
const LANE_BYTES_MAX: usize = 32 << 10;

const MS: Duration = Duration::from_millis(1);

/// How a lane ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// Its writer closed it: what is in it still arrives.
    Closed,
    Broken,
}

#[derive(Debug)]
struct Lane {
    pieces: VecDeque<(Instant, Vec<u8>)>,
    queued_bytes: usize,
    ended: Option<Ended>,
    /// After so many more bytes the connection breaks.
    breaks_after: Option<usize>,
    held: bool,
    latency_ms: u64,
    bytes_per_ms: usize,
    /// When the last piece has gone through.
    free_at: Instant,
    rng: Rng,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Lane {
    fn new(seed: u64, held: bool) -> Lane {
        let mut rng = Rng::seeded(seed);
        Lane {
            pieces: VecDeque::new(),
            queued_bytes: 0,
            ended: None,
            breaks_after: None,
            held,
            latency_ms: rng.below(12),
            bytes_per_ms: 1 << 20,
            free_at: Instant::now(),
            rng,
            reader: None,
            writer: None,
        }
    }

    fn wake(&mut self) {
        for waker in self.reader.take().into_iter().chain(self.writer.take()) {
            waker.wake();
        }
    }

    fn end(&mut self, how: Ended) {
        self.ended.get_or_insert(how);
        self.wake();
    }

    fn push(&mut self, bytes: &[u8]) {
        let takes_ms = bytes.len() / self.bytes_per_ms;
        self.free_at = self.free_at.max(Instant::now()) + MS * takes_ms as u32;
        // A latency that shrinks lets nothing overtake what is on its way.
        let arrives = self.free_at + MS * self.latency_ms as u32;
        let last = self.pieces.back().map(|(arrives, _)| *arrives);
        let arrives = last.map_or(arrives, |last| arrives.max(last));
        self.pieces.push_back((arrives, bytes.to_vec()));
        self.queued_bytes += bytes.len();
        if let Some(waker) = self.reader.take() {
            waker.wake();
        }
    }

    /// Puts what has arrived of the first piece into `into`.
    fn shift(&mut self, into: &mut ReadBuf<'_>) {
        let limit = match self.rng.below(4) {
            0 => 1 + self.rng.below(64) as usize,
            _ => usize::MAX,
        };
        let Some((_, piece)) = self.pieces.front_mut() else {
            return;
        };
        let len = piece.len().min(into.remaining()).min(limit);
        into.put_slice(&piece[..len]);
        piece.drain(..len);
        if piece.is_empty() {
            self.pieces.pop_front();
        }
        self.queued_bytes -= len;
        if let Some(waker) = self.writer.take() {
            waker.wake();
        }
    }
}

type SharedLane = Arc<Mutex<Lane>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder panics")
}

/// One end of a connection.
#[derive(Debug)]
struct End {
    incoming: SharedLane,
    outgoing: SharedLane,
    arrival: Option<Pin<Box<Sleep>>>,
    addresses: (String, String),
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let lane = self.incoming.clone();
            let mut lane = lock(&lane);
            let arrives = lane.pieces.front().map(|(arrives, _)| *arrives);
            match (arrives, lane.ended) {
                _ if lane.held => {}
                (Some(arrives), _) if arrives <= Instant::now() => {
                    lane.shift(into);
                    return Poll::Ready(Ok(()));
                }
                (Some(arrives), _) => {
                    drop(lane);
                    let arrival = self.arrival.insert(Box::pin(sleep_until(arrives)));
                    ready!(arrival.as_mut().poll(cx));
                    continue;
                }
                (None, Some(Ended::Closed)) => return Poll::Ready(Ok(())),
                (None, Some(Ended::Broken)) => {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                }
                (None, None) => {}
            }
            lane.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut lane = lock(&self.outgoing);
        if lane.ended.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = LANE_BYTES_MAX - lane.queued_bytes;
        if room == 0 {
            lane.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let len = bytes.len().min(room);
        match lane.breaks_after {
            Some(left) if left <= len => {
                lane.push(&bytes[..left]);
                lane.end(Ended::Broken);
                drop(lane);
                lock(&self.incoming).end(Ended::Broken);
            }
            Some(left) => {
                lane.breaks_after = Some(left - len);
                lane.push(&bytes[..len]);
            }
            None => lane.push(&bytes[..len]),
        }
        // The writer learns of a break only when it writes again.
        Poll::Ready(Ok(len))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        lock(&self.outgoing).end(Ended::Closed);
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        lock(&self.outgoing).end(Ended::Closed);
        lock(&self.incoming).end(Ended::Broken);
    }
}

impl Carrier for End {
    fn addresses(&self) -> (String, String) {
        self.addresses.clone()
    }
}

struct Wire {
    pair: (usize, usize),
    /// To the leader, and to the follower.
    lanes: [Weak<Mutex<Lane>>; 2],
}

struct State {
    rng: Rng,
    listeners: BTreeMap<usize, mpsc::UnboundedSender<Stream>>,
    /// Pairs that hear nothing of each other.
    held: BTreeSet<(usize, usize)>,
    wires: Vec<Wire>,
}

/// All connections between the servers, which are known by number.
#[derive(Clone)]
pub struct Net(Arc<Mutex<State>>);

impl Net {
    pub fn new(seed: u64) -> Net {
        Net(Arc::new(Mutex::new(State {
            rng: Rng::seeded(seed),
            listeners: BTreeMap::new(),
            held: BTreeSet::new(),
            wires: Vec::new(),
        })))
    }

    /// Connections to `node` come out here, until the receiver is dropped.
    pub fn listen(&self, node: usize) -> mpsc::UnboundedReceiver<Stream> {
        let (sender, receiver) = mpsc::unbounded_channel();
        lock(&self.0).listeners.insert(node, sender);
        receiver
    }

    /// Follower `from` connects to `to`.
    pub async fn connect(self, from: usize, to: usize) -> io::Result<Stream> {
        sleep(MS).await;
        // Nobody answers through a broken cable.
        while lock(&self.0).held.contains(&(from, to)) {
            sleep(MS * 20).await;
        }
        let mut state = lock(&self.0);
        let state = &mut *state;
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let listener = state.listeners.get(&to).ok_or_else(refused)?;
        let mut lane = || Arc::new(Mutex::new(Lane::new(state.rng.next_u64(), false)));
        let (up, down) = (lane(), lane());
        let ours = (format!("10.0.0.{to}:1"), format!("10.0.0.{from}:2"));
        let theirs = (ours.1.clone(), ours.0.clone());
        let end = |incoming: &SharedLane, outgoing: &SharedLane, addresses| {
            Stream::Other(Box::new(End {
                incoming: incoming.clone(),
                outgoing: outgoing.clone(),
                arrival: None,
                addresses,
            }))
        };
        let accepted = listener.send(end(&up, &down, theirs));
        let stream = end(&down, &up, ours);
        accepted.map_err(|_| refused())?;
        state.wires.push(Wire {
            pair: (from, to),
            lanes: [Arc::downgrade(&up), Arc::downgrade(&down)],
        });
        Ok(stream)
    }

    /// Holds everything between two servers back, or lets it go.
    pub fn hold(&self, pair: (usize, usize), held: bool) {
        let mut state = lock(&self.0);
        match held {
            true => state.held.insert(pair),
            false => state.held.remove(&pair),
        };
        for_lanes(&mut state, |of, _, lane| {
            if of == pair {
                lane.held = held;
                lane.wake();
            }
        });
    }

    /// Breaks a pair's connection at the byte that comes after `bytes` more in the
    /// direction to the leader (0) or to the follower (1).
    pub fn cut(&self, pair: (usize, usize), direction: usize, bytes: usize) {
        for_lanes(&mut lock(&self.0), |of, towards, lane| {
            if of == pair && towards == direction {
                lane.breaks_after = Some(bytes);
            }
        });
    }

    /// How fast a pair's connection is from here on.
    pub fn pace(&self, pair: (usize, usize), bytes_per_ms: usize) {
        for_lanes(&mut lock(&self.0), |of, _, lane| {
            if of == pair {
                lane.bytes_per_ms = bytes_per_ms;
            }
        });
    }

    /// How long everything takes on a pair's connection from here on.
    pub fn delay(&self, pair: (usize, usize), latency_ms: u64) {
        for_lanes(&mut lock(&self.0), |of, _, lane| {
            if of == pair {
                lane.latency_ms = latency_ms;
            }
        });
    }

    /// Everything works again, and nothing is about to break.
    pub fn heal(&self) {
        let mut state = lock(&self.0);
        state.held.clear();
        for_lanes(&mut state, |_, _, lane| {
            (lane.held, lane.breaks_after) = (false, None);
            lane.bytes_per_ms = 1 << 20;
            lane.wake();
        });
    }
}

fn for_lanes(state: &mut State, mut change: impl FnMut((usize, usize), usize, &mut Lane)) {
    state.wires.retain(|wire| {
        let lanes = wire.lanes.each_ref().map(Weak::upgrade);
        for (direction, lane) in lanes.iter().enumerate() {
            if let Some(lane) = lane {
                change(wire.pair, direction, &mut lock(lane));
            }
        }
        lanes.iter().any(Option::is_some)
    });
}
