//! A line as people type it, and as configuration files have it: what its words are quoted
//! as reads back as the same words.

use lockstep::resp::inline::split_args;

pub fn check(line: &[u8]) {
    let Some(words) = split_args(line) else {
        return;
    };
    assert!(words.iter().map(Vec::len).sum::<usize>() <= line.len());
    let quoted: String = words.iter().map(|word| quote(word)).collect();
    assert_eq!(split_args(quoted.as_bytes()), Some(words));
}

fn quote(word: &[u8]) -> String {
    let hex: String = word.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    format!("\"{hex}\" ")
}
