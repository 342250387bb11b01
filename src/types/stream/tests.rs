use super::*;
use crate::base::rng::Rng;
use crate::base::room::class_bytes;

type Fields = Vec<Vec<u8>>;

/// What a stream is, written down plainly.
#[derive(Clone, Default)]
struct Model {
    entries: Vec<(StreamId, Fields)>,
    last_id: StreamId,
    max_deleted: StreamId,
    added: u64,
}

impl Model {
    fn ids(&self) -> Vec<StreamId> {
        self.entries.iter().map(|(id, _)| *id).collect()
    }
}

fn pairs_of(entry: &Entry) -> Fields {
    let pairs = entry.fields();
    pairs
        .flat_map(|(name, value)| [name.to_vec(), value.to_vec()])
        .collect()
}

fn random_pairs(rng: &mut Rng) -> Fields {
    let names: &[&[u8]] = match rng.below(4) {
        0 => &[b"a"],
        1 => &[b"a", b"12"],
        2 => &[b"12", b"a"],
        _ => &[b"name", b"a", b"5"],
    };
    let value = |rng: &mut Rng| match rng.below(4) {
        0 => rng.below(1000).to_string().into_bytes(),
        1 => vec![b'x'; rng.below(100) as usize],
        2 => (rng.next_u64() as i64).to_string().into_bytes(),
        _ => Vec::new(),
    };
    names
        .iter()
        .flat_map(|name| [name.to_vec(), value(rng)])
        .collect()
}

fn refs(pairs: &Fields) -> Vec<&[u8]> {
    pairs.iter().map(Vec::as_slice).collect()
}

fn next_id(last: StreamId, rng: &mut Rng) -> StreamId {
    match rng.below(4) {
        0 => last.next().unwrap(),
        1 => StreamId::new(last.ms, last.seq + 1 + rng.below(1000)),
        2 => StreamId::new(last.ms + 1 + rng.below(3), rng.below(3)),
        _ => StreamId::new(last.ms + 1 + rng.below(100_000), 0),
    }
}

fn near(model: &Model, rng: &mut Rng) -> StreamId {
    let ids = model.ids();
    let id = match ids.len() {
        0 => model.last_id,
        len => ids[rng.below(len as u64) as usize],
    };
    match rng.below(6) {
        0 => id.next().unwrap(),
        1 => id.prev().unwrap_or(id),
        2 => StreamId::MIN,
        3 => StreamId::MAX,
        _ => id,
    }
}

fn check(stream: &Stream, model: &Model, rng: &mut Rng) {
    assert_eq!(stream.len(), model.entries.len() as u64);
    assert_eq!(stream.is_empty(), model.entries.is_empty());
    assert_eq!(stream.last_id(), model.last_id);
    assert_eq!(stream.max_deleted_id(), model.max_deleted);
    assert_eq!(stream.entries_added(), model.added);
    let first = model.entries.first().map_or(StreamId::MIN, |entry| entry.0);
    assert_eq!(stream.first_id(), first);
    let all = stream.range(StreamId::MIN, StreamId::MAX);
    let all: Vec<_> = all.map(|entry| (entry.id, pairs_of(&entry))).collect();
    assert_eq!(all, model.entries);
    for _ in 0..3 {
        let (start, end) = (near(model, rng), near(model, rng));
        let mut expect = model.ids();
        expect.retain(|id| (start..=end).contains(id));
        let up: Vec<_> = stream.range(start, end).map(|entry| entry.id).collect();
        assert_eq!(up, expect);
        let down = stream.range_back(start, end).map(|entry| entry.id);
        assert!(down.eq(expect.into_iter().rev()));
        let found = stream.get(start).map(|entry| pairs_of(&entry));
        let entry = model.entries.iter().find(|entry| entry.0 == start);
        assert_eq!(found.as_ref(), entry.map(|entry| &entry.1));
    }
    let bytes: usize = stream
        .body
        .nodes
        .iter()
        .map(|(_, node)| node.heap_bytes())
        .sum();
    assert_eq!(stream.body.nodes_bytes, bytes);
    let reread = reread(stream).unwrap();
    assert!(reread.nodes().eq(stream.nodes()));
    assert_eq!(reread.first_id(), stream.first_id());
}

/// The stream that a file would have.
fn reread(stream: &Stream) -> Result<Stream, &'static str> {
    let mut read = Stream::default();
    for (id, bytes) in stream.nodes() {
        let pack = ListPack::from_bytes(bytes.to_vec()).map_err(|_| "no listpack")?;
        read.add_node(id, pack)?;
    }
    let numbers = Numbers {
        last_id: stream.last_id(),
        max_deleted_id: stream.max_deleted_id(),
        entries_added: stream.entries_added(),
    };
    read.finish_nodes(stream.len(), numbers)?;
    Ok(read)
}

fn step(stream: &mut Stream, model: &mut Model, limits: &Limits, rng: &mut Rng) {
    match rng.below(12) {
        0..7 => {
            let id = next_id(model.last_id, rng);
            let pairs = random_pairs(rng);
            stream.add(id, &refs(&pairs), limits).unwrap();
            model.entries.push((id, pairs));
            model.last_id = id;
            model.added += 1;
        }
        7..10 => {
            let ids = [near(model, rng), near(model, rng), near(model, rng)];
            let before = model.entries.len();
            for &id in &ids {
                if model.ids().contains(&id) {
                    model.max_deleted = model.max_deleted.max(id);
                    model.entries.retain(|entry| entry.0 != id);
                }
            }
            assert_eq!(stream.delete(&ids), before - model.entries.len());
        }
        kind => {
            let exactly = |model: &mut Model, keep| match keep {
                Keep::MaxLen(len) => {
                    let over = model.entries.len().saturating_sub(len as usize);
                    model.entries.drain(..over);
                }
                Keep::MinId(min) => model.entries.retain(|entry| entry.0 >= min),
            };
            let keep = match kind {
                10 => Keep::MaxLen(rng.below(model.entries.len() as u64 + 3)),
                _ => Keep::MinId(near(model, rng)),
            };
            let trim = Trim {
                keep,
                approximately: rng.below(2) == 0,
                limit: [0, 0, 5][rng.below(3) as usize],
            };
            let mut expect = model.clone();
            exactly(&mut expect, keep);
            let trimmed = stream.trim(&trim) as usize;
            let most = model.entries.len() - expect.entries.len();
            match (trim.approximately, trim.limit) {
                (false, 0) => assert_eq!(trimmed, most),
                (_, limit) => assert!(trimmed <= most && (limit == 0 || trimmed <= 5)),
            }
            model.entries.drain(..trimmed);
        }
    }
}

#[test]
fn it_does_what_a_naive_stream_does() {
    for seed in 0..20 {
        let mut rng = Rng::seeded(seed);
        let limits = Limits {
            node_bytes_max: [0, 100, 300][rng.below(3) as usize],
            node_entries_max: [0, 1, 3, 8][rng.below(4) as usize],
        };
        let (mut stream, mut model) = (Stream::default(), Model::default());
        let mut snapshots = Vec::new();
        for _ in 0..200 {
            step(&mut stream, &mut model, &limits, &mut rng);
            check(&stream, &model, &mut rng);
            if rng.below(30) == 0 {
                snapshots.push((stream.clone(), model.clone()));
            }
        }
        for (stream, model) in &snapshots {
            check(stream, model, &mut rng);
        }
    }
}

#[test]
fn nodes_end_at_their_limits() {
    let nodes = |node_bytes_max, node_entries_max| {
        let limits = Limits {
            node_bytes_max,
            node_entries_max,
        };
        let mut stream = Stream::default();
        for ms in 1..=1000 {
            let value = [b'x'; 100];
            stream
                .add(StreamId::new(ms, 0), &[b"field", &value], &limits)
                .unwrap();
        }
        stream.node_count()
    };
    assert_eq!(nodes(0, 100), 10);
    assert_eq!(nodes(0, 0), 1);
    assert_eq!(nodes(4096, 0), 28);
    assert_eq!(nodes(4096, 5), 200);
    assert_eq!(nodes(1, 0), 1000);
}

/// Memory comes in sizes, of which a node is to use the whole.
#[test]
fn nodes_end_early_where_they_would_not_fill_their_memory() {
    let check = |value_bytes: usize, entries: usize, memory: usize| {
        let (mut stream, limits) = (Stream::default(), Limits::default());
        let value = vec![b'x'; value_bytes];
        for ms in 1..=5000 {
            let pairs: [&[u8]; 2] = [b"field", &value];
            stream.add(StreamId::new(ms, 0), &pairs, &limits).unwrap();
        }
        let (first, bytes) = stream.nodes().nth(1).unwrap();
        let (next, _) = stream.nodes().nth(2).unwrap();
        let size = bytes.len();
        assert_eq!(
            (next.ms - first.ms) as usize,
            entries,
            "{size} bytes in a node"
        );
        assert_eq!(class_bytes(size), memory, "{size} bytes in a node");
    };
    // A hundred do not take half of what is allowed, or just fill the half.
    check(3, 100, 1536);
    check(10, 100, 2048);
    // They would take 2,422 bytes of 2,560.
    check(14, 84, 2048);
    // They take 4,022 bytes of 4,096.
    check(30, 100, 4096);
}

#[test]
fn an_entry_that_is_too_long_changes_nothing() {
    let mut stream = Stream::default();
    let half = vec![0; SIZE_BYTES_MAX / 2];
    let id = StreamId::new(1, 0);
    let added = stream.add(id, &[&half, &half, b"a", b"b"], &Limits::default());
    assert_eq!(added, Err(TooLong));
    assert_eq!((stream.len(), stream.last_id()), (0, StreamId::MIN));
    assert_eq!(stream.node_count(), 0);
}

/// Any byte of a node may be another one: the node is refused, or it is a node that works.
#[test]
fn broken_nodes_do_no_harm() {
    let mut rng = Rng::seeded(1);
    let (mut stream, mut model) = (Stream::default(), Model::default());
    let limits = Limits::default();
    for _ in 0..30 {
        step(&mut stream, &mut model, &limits, &mut rng);
    }
    let (id, bytes) = stream.nodes().next().unwrap();
    let bytes = bytes.to_vec();
    let mut accepted = 0;
    for at in 6..bytes.len() {
        for value in [
            0,
            1,
            2,
            3,
            0x7F,
            0x81,
            0xC1,
            0xDF,
            0xF1,
            0xF4,
            0xFF,
            bytes[at] ^ 1,
        ] {
            let mut broken = bytes.clone();
            broken[at] = value;
            let Ok(pack) = ListPack::from_bytes(broken) else {
                continue;
            };
            let mut stream = Stream::default();
            if stream.add_node(id, pack).is_err() {
                continue;
            }
            accepted += 1;
            let numbers = Numbers {
                last_id: StreamId::MAX,
                max_deleted_id: StreamId::MIN,
                entries_added: 0,
            };
            stream.finish_nodes(stream.len(), numbers).unwrap();
            let ids: Vec<_> = stream
                .range(StreamId::MIN, StreamId::MAX)
                .map(|entry| (pairs_of(&entry), entry.id).1)
                .collect();
            assert_eq!(ids.len() as u64, stream.len());
            assert_eq!(stream.delete(&ids), ids.len());
            assert_eq!((stream.len(), stream.node_count()), (0, 0));
        }
    }
    assert!(accepted > bytes.len() / 4, "{accepted}");
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let node = |first: u64| {
        let mut stream = Stream::default();
        for ms in first..first + 3 {
            let id = StreamId::new(ms, 0);
            stream.add(id, &[b"a", b"b"], &Limits::default()).unwrap();
        }
        let (id, bytes) = stream.nodes().next().unwrap();
        (id, ListPack::from_bytes(bytes.to_vec()).unwrap())
    };
    let numbers = |last| Numbers {
        last_id: StreamId::new(last, 0),
        max_deleted_id: StreamId::MIN,
        entries_added: 6,
    };
    let mut stream = Stream::default();
    let (id, pack) = node(10);
    stream.add_node(id, pack.clone()).unwrap();
    assert!(stream.add_node(id, pack.clone()).is_err());
    assert!(stream.add_node(StreamId::new(12, 0), pack.clone()).is_err());
    stream.add_node(StreamId::new(12, 1), pack).unwrap();
    assert!(stream.clone().finish_nodes(5, numbers(20)).is_err());
    assert!(stream.clone().finish_nodes(6, numbers(13)).is_err());
    stream.finish_nodes(6, numbers(14)).unwrap_err();
    stream
        .finish_nodes(
            6,
            Numbers {
                last_id: StreamId::new(14, 1),
                ..numbers(0)
            },
        )
        .unwrap();
    assert_eq!(stream.first_id(), StreamId::new(10, 0));
}

/// Groups against a plain list of who has what.
#[test]
fn groups_do_what_naive_groups_do() {
    for seed in 0..30 {
        let mut rng = Rng::seeded(seed);
        let mut group = Group::default();
        let mut model: std::collections::BTreeMap<StreamId, (u8, u64)> = Default::default();
        let mut there = [false; 4];
        for now_ms in 0..500 {
            let consumer = rng.below(4) as u8;
            let name = [b'a' + consumer];
            let id = StreamId::new(rng.below(60), rng.below(3));
            match rng.below(10) {
                0 if there[usize::from(consumer)] => {
                    let before = model.len();
                    model.retain(|_, pending| pending.0 != consumer);
                    assert_eq!(group.remove_consumer(&name), Some(before - model.len()));
                    there[usize::from(consumer)] = false;
                }
                0..6 => {
                    let consumer_is_new = !there[usize::from(consumer)];
                    let added = group.add_consumer(&name, Consumer::new(now_ms, NEVER));
                    assert_eq!(added, consumer_is_new);
                    there[usize::from(consumer)] = true;
                    let pending = Pending {
                        consumer: group.consumer_name(&name).unwrap(),
                        delivered_ms: now_ms,
                        deliveries: 1,
                    };
                    group.give(id, pending);
                    model.insert(id, (consumer, 1));
                }
                6 => {
                    group.deliver_again(id, now_ms);
                    model.entry(id).and_modify(|pending| pending.1 += 1);
                }
                _ => assert_eq!(group.acknowledge(id), model.remove(&id).is_some()),
            }
            let pending = group.pending_from(StreamId::MIN);
            let pending = pending.map(|(id, p)| (*id, (p.consumer[0] - b'a', p.deliveries)));
            assert!(pending.eq(model.iter().map(|(id, pending)| (*id, *pending))));
            assert_eq!(group.last_pending(), model.keys().last().copied());
            for (name, consumer) in group.consumers() {
                let own = model.iter().filter(|(_, p)| p.0 == name[0] - b'a');
                let own: Vec<StreamId> = own.map(|(id, _)| *id).collect();
                assert!(consumer.pending_from(StreamId::MIN).eq(own.iter().copied()));
                assert_eq!(consumer.pending_count(), own.len());
            }
        }
    }
}
