//! Lists of both forms against a vector of strings.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn limits(max_listpack_size: i32) -> Limits {
    Limits {
        max_listpack_size,
        plain_from_bytes: 0,
    }
}

/// Adds a value as a command does.
fn push(list: &mut List, value: &[u8], end: End, limits: &Limits) {
    list.grow_for(value.len(), 1, limits);
    list.push(value, end, limits);
}

fn list_of(values: &[&str], limits: &Limits) -> List {
    let mut list = List::new();
    for value in values {
        push(&mut list, value.as_bytes(), End::Back, limits);
    }
    list
}

/// The values node by node, as `a b|c`, plain nodes in brackets.
fn nodes_of(list: &List) -> String {
    let node = |node: Node| match node {
        Node::Packed(pack) => {
            let values = pack.iter().map(Item::to_vec);
            let values = values.map(|value| String::from_utf8_lossy(&value).into_owned());
            values.collect::<Vec<_>>().join(" ")
        }
        Node::Plain(value) => format!("[{}]", String::from_utf8_lossy(value)),
    };
    list.nodes().map(node).collect::<Vec<_>>().join("|")
}

/// Everything that can be asked agrees with `model`.
fn check_against(list: &List, model: &[Vec<u8>]) {
    assert_eq!(list.len(), model.len());
    assert_eq!(list.is_empty(), model.is_empty());
    assert!(list.iter().map(Item::to_vec).eq(model.iter().cloned()));
    let backwards = list.iter().rev().map(Item::to_vec);
    assert!(backwards.eq(model.iter().rev().cloned()));
    assert!(list.peek(End::Front) == list.get(0) && list.peek(End::Back) == list.get(-1));
    for (index, value) in model.iter().enumerate() {
        let index = index as i64;
        assert!(
            list.get(index).is_some_and(|item| item.eq(value)),
            "{index}"
        );
        assert_eq!(list.get(index - model.len() as i64), list.get(index));
    }
    for outside in [
        model.len() as i64,
        -1 - model.len() as i64,
        i64::MIN,
        i64::MAX,
    ] {
        assert_eq!(list.get(outside), None);
    }
    if let Form::Large(nodes) = &list.form {
        nodes.check();
    }
}

impl Nodes {
    /// What always holds.
    fn check(&self) {
        let entries: Vec<usize> = self.iter().map(|node| node.iter().count()).collect();
        assert!(entries.iter().all(|&entries| entries > 0));
        assert_eq!(entries.iter().sum::<usize>(), self.len());
        let bytes = self.iter().map(|node| match node {
            Node::Packed(pack) => pack.heap_bytes(),
            Node::Plain(value) => value.len(),
        });
        assert_eq!(self.node_bytes(), bytes.sum::<usize>());
    }
}

#[test]
fn grows_and_shrinks() {
    let limits = limits(4);
    let mut list = list_of(&["a", "b", "c", "d"], &limits);
    assert_eq!(list.encoding(), Encoding::ListPack);
    push(&mut list, b"e", End::Back, &limits);
    assert_eq!(list.encoding(), Encoding::QuickList);
    assert_eq!(nodes_of(&list), "a b c d|e");
    list.drop_at(End::Front, 2);
    list.settle_shrunk(&limits);
    assert_eq!(
        (list.encoding(), list.node_count()),
        (Encoding::QuickList, 2)
    );
    list.drop_at(End::Back, 1);
    list.settle_shrunk(&limits);
    assert_eq!(list.encoding(), Encoding::ListPack);
    assert_eq!(nodes_of(&list), "c d");
}

#[test]
fn many_values_at_once_are_counted_before_they_come() {
    let limits = limits(-1);
    let mut list = list_of(&["a"], &limits);
    list.grow_for(4089, 1, &limits);
    assert_eq!(list.encoding(), Encoding::QuickList);
    list.settle_shrunk(&limits);
    assert_eq!(list.encoding(), Encoding::ListPack);
    list.grow_for(4086, 1, &limits);
    assert_eq!(list.encoding(), Encoding::ListPack);
    list.grow_for(usize::MAX, usize::MAX, &limits);
    assert_eq!(list.encoding(), Encoding::QuickList);
}

#[test]
fn values_go_where_there_is_room() {
    let limits = limits(3);
    let check = |before: &str, pivot: &str, after: bool, expect: &str| {
        let mut builder = List::builder();
        for node in before.split('|') {
            let mut pack = ListPack::new();
            node.split(' ')
                .for_each(|value| pack.push_back(value.as_bytes()));
            builder.packed(pack);
        }
        let mut list = builder.finish(&limits);
        assert!(list.insert(pivot.as_bytes(), after, b"X", &limits));
        assert_eq!(nodes_of(&list), expect);
        let values: Vec<Vec<u8>> = list.iter().map(Item::to_vec).collect();
        check_against(&list, &values);
    };
    // There is room in the node.
    check("a b|c d e", "a", false, "X a b|c d e");
    check("a b|c d e", "a", true, "a X b|c d e");
    check("a b|c d e", "b", true, "a b X|c d e");
    // In the next one, or in the one before.
    check("a b c|d", "c", true, "a b c|X d");
    check("d|a b c", "a", false, "d X|a b c");
    // In neither.
    check("a b c|d e f", "c", true, "a b c|X|d e f");
    check("a b c|d e f", "d", false, "a b c|X|d e f");
    check("a b c|d e f", "a", false, "X|a b c|d e f");
    // A full node is split, and what fits is joined.
    check("a b c|d e f", "b", true, "a b|X c|d e f");
    check("a b c|d e f", "b", false, "a X|b c|d e f");
    check("0|a b c|d", "a", true, "0 a|X b c|d");
    check("0|a b c|d", "c", false, "0|a b X|c d");
}

#[test]
fn large_values_have_nodes_of_their_own() {
    let limits = Limits {
        max_listpack_size: 3,
        plain_from_bytes: 2,
    };
    let mut list = list_of(&["a", "b", "c", "d"], &limits);
    push(&mut list, b"XX", End::Back, &limits);
    push(&mut list, b"YY", End::Front, &limits);
    assert_eq!(nodes_of(&list), "[YY]|a b c|d|[XX]");
    list.insert(b"b", true, b"ZZ", &limits);
    assert_eq!(nodes_of(&list), "[YY]|a b|[ZZ]|c|d|[XX]");
    list.set(0, b"yyy", &limits);
    list.set(-1, b"x", &limits);
    assert_eq!(nodes_of(&list), "[yyy]|a b|[ZZ]|c|d|x");
    list.set(3, b"z", &limits);
    assert_eq!(nodes_of(&list), "[yyy]|a b|z c|d|x");
    list.set(1, b"AA", &limits);
    assert_eq!(nodes_of(&list), "[yyy]|[AA]|b|z c|d|x");
    list.insert(b"AA", false, b"n", &limits);
    list.insert(b"yyy", false, b"m", &limits);
    assert_eq!(nodes_of(&list), "m|[yyy]|n|[AA]|b|z c|d|x");
    assert_eq!(list.remove(b"yyy", End::Back, usize::MAX), 1);
    assert_eq!(nodes_of(&list), "m|n|[AA]|b|z c|d|x");
    list.drop_at(End::Front, 4);
    assert_eq!(nodes_of(&list), "z c|d|x");
}

#[test]
fn a_clone_keeps_what_was() {
    let limits = limits(100);
    let values: Vec<Vec<u8>> = (0..10_000)
        .map(|n| format!("value {n}").into_bytes())
        .collect();
    let mut list = List::new();
    for value in &values {
        push(&mut list, value, End::Back, &limits);
    }
    let clone = list.clone();
    assert!(list.is_big() == (list.node_count() >= BIG_NODES));
    list.set(5_000, b"another", &limits);
    list.insert(b"value 77", false, b"more", &limits);
    list.remove(b"value 9999", End::Back, 1);
    list.drop_at(End::Front, 50);
    push(&mut list, b"last", End::Back, &limits);
    check_against(&clone, &values);
    assert_eq!(list.len(), 9_951);
    assert_ne!(list, clone);
}

#[test]
fn a_full_node_keeps_no_memory_for_more() {
    let limits = Limits::default();
    let mut list = List::new();
    let mut values_bytes = 0;
    for n in 0..20_000 {
        let value = format!("a value, number {n}");
        values_bytes += value.len() + 2;
        push(&mut list, value.as_bytes(), End::Back, &limits);
    }
    assert!(list.heap_bytes() < values_bytes + values_bytes / 20);
    list.drop_at(End::Front, 19_990);
    list.settle_shrunk(&limits);
    assert!(list.heap_bytes() < 2_000);
}

/// Many nodes at once are given back, and everything is counted as before.
#[test]
fn what_is_cut_off_is_given_back() {
    let limits = limits(2);
    let values: Vec<Vec<u8>> = (0..2_001)
        .map(|n: i32| n.to_string().into_bytes())
        .collect();
    for end in [End::Front, End::Back] {
        for count in [1, 120, 127, 128, 129, 999, 1_500, 2_000, 2_001, 5_000] {
            let mut list = List::new();
            values
                .iter()
                .for_each(|value| push(&mut list, value, End::Back, &limits));
            let cut = list.drop_at(end, count);
            let removed = count.min(values.len());
            let (kept, gone) = match end {
                End::Front => (&values[removed..], &values[..removed]),
                End::Back => {
                    let kept = values.len() - removed;
                    (&values[..kept], &values[kept..])
                }
            };
            check_against(&list, kept);
            // There are two values in a node, and one in the last.
            assert_eq!(
                cut.is_some(),
                removed >= 128 || (removed == 127 && end == End::Back)
            );
            for item in cut.iter().flat_map(|cut| cut.iter()) {
                assert!(gone.iter().any(|value| item.eq(value)));
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Change {
    Push(Vec<u8>, bool),
    Set(usize, Vec<u8>),
    Insert(Vec<u8>, bool, Vec<u8>),
    Remove(Vec<u8>, bool, usize),
    Drop(bool, usize),
    Keep(usize),
}

/// Few different values, so that they are found; some too large for a listpack.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (0..8u8).prop_map(|n| n.to_string().into_bytes()),
        2 => (0..4usize).prop_map(|n| vec![b'x'; n * 20]),
        1 => (0..3usize).prop_map(|n| vec![b'y'; 4000 + n * 200]),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    use Change::*;
    prop_oneof![
        6 => (value(), any::<bool>()).prop_map(|(value, front)| Push(value, front)),
        2 => (any::<usize>(), value()).prop_map(|(at, value)| Set(at, value)),
        3 => (value(), any::<bool>(), value()).prop_map(|(p, after, v)| Insert(p, after, v)),
        2 => (value(), any::<bool>(), 0..4usize).prop_map(|(v, front, n)| Remove(v, front, n)),
        2 => (any::<bool>(), 0..4usize).prop_map(|(front, n)| Drop(front, n)),
        1 => (0..30usize).prop_map(Keep),
    ]
}

fn end(front: bool) -> End {
    if front { End::Front } else { End::Back }
}

fn apply(change: Change, list: &mut List, model: &mut Vec<Vec<u8>>, limits: &Limits) {
    match change {
        Change::Push(value, front) => {
            push(list, &value, end(front), limits);
            model.insert(if front { 0 } else { model.len() }, value);
        }
        Change::Set(at, value) => {
            let index = at % (model.len() + 1);
            list.grow_for(value.len(), 1, limits);
            let is_there = list.set(index as i64, &value, limits);
            assert_eq!(is_there, index < model.len());
            if is_there {
                model[index] = value;
            }
        }
        Change::Insert(pivot, after, value) => {
            list.grow_for(value.len(), 1, limits);
            let found = model.iter().position(|own| *own == pivot);
            assert_eq!(list.insert(&pivot, after, &value, limits), found.is_some());
            if let Some(at) = found {
                model.insert(at + usize::from(after), value);
            }
        }
        Change::Remove(value, front, count) => {
            let mut hits: Vec<usize> = (0..model.len()).filter(|&at| model[at] == value).collect();
            if !front {
                hits.reverse();
            }
            hits.truncate(count);
            assert_eq!(list.remove(&value, end(front), count), hits.len());
            hits.sort_unstable();
            for at in hits.into_iter().rev() {
                model.remove(at);
            }
        }
        Change::Drop(front, count) => {
            let count_there = count.min(model.len());
            list.drop_at(end(front), count);
            let start = if front { 0 } else { model.len() - count_there };
            model.drain(start..start + count_there);
        }
        Change::Keep(count) => {
            list.drop_at(End::Back, model.len().saturating_sub(count));
            model.truncate(count);
        }
    }
    list.settle_shrunk(limits);
}

proptest! {
    #[test]
    fn changes_agree_with_a_vector(
        changes in vec(change(), 0..120),
        max_listpack_size in prop_oneof![-2..10i32],
        plain_from_bytes in prop_oneof![Just(0usize), Just(1), Just(30), Just(100)],
    ) {
        let limits = Limits { max_listpack_size, plain_from_bytes };
        let mut list = List::new();
        let mut model = Vec::new();
        let mut snapshot = (list.clone(), model.clone());
        for (step, change) in changes.into_iter().enumerate() {
            apply(change, &mut list, &mut model, &limits);
            check_against(&list, &model);
            if step % 20 == 0 {
                check_against(&snapshot.0, &snapshot.1);
                snapshot = (list.clone(), model.clone());
            }
        }
        check_against(&snapshot.0, &snapshot.1);
    }

    #[test]
    fn visits_agree_with_a_vector(
        values in vec(value(), 0..30), front: bool, skip in 0..35usize, take in 0..35usize,
        max_listpack_size in -1..6i32,
    ) {
        let limits = limits(max_listpack_size);
        let mut list = List::new();
        for value in &values {
            push(&mut list, value, End::Back, &limits);
        }
        let mut seen = Vec::new();
        list.visit(end(front), skip, |item| {
            seen.push(item.to_vec());
            seen.len() < take
        });
        let mut expect = values.clone();
        if !front {
            expect.reverse();
        }
        let expect: Vec<_> = expect.into_iter().skip(skip).take(take.max(1)).collect();
        prop_assert_eq!(seen, expect);
    }
}
