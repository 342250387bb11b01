//! The house rules, as a test, so that nobody has to remember them in a review.
//!
//! - Modules stand in dependency order. `src/lib.rs` and every `mod.rs` declare their modules
//!   ground up, and a file may name (`crate::x`, `super::x`) only what is declared above its
//!   own line. A child may name the items of its own `mod.rs`, and a `mod.rs` its children;
//!   a re-export counts as the child that it comes from.
//! - Files, functions and lines have a size limit, except files of pure data.
//! - No `todo!`, `unimplemented!` or `dbg!`; `unsafe` only in the modules named below; below
//!   `net` nothing of tokio but `tokio::sync`.
//!
//! The rules read tokens, not types: comments and literals are blanked out first, and what
//! remains is looked at word by word. A path written through a local alias escapes them,
//! which is why importing one's own ancestor, or a glob from it, is refused too.

#[path = "tidy/lexer.rs"]
mod lexer;

#[path = "tidy/modules.rs"]
mod modules;

use std::fs;
use std::path::Path;

use lexer::{Token, is_word, mask, nesting, tokens};
use modules::{Tree, declared, paths_from};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const LINE_CHARS_MAX: usize = 100;

/// Files of pure data: long because there is much of it, not because it is complicated.
const DATA_FILES: &[&str] = &["src/commands/docs"];

/// The modules (with all below them) that may say `unsafe`.
const UNSAFE_MODULES: &[&str] = &[
    "table",
    "store::entry",
    "store::keyspace",
    "store::locked",
    "base::memory",
    "base::title",
];

/// The first module that may use all of tokio.
const FIRST_ASYNC_MODULE: &str = "net";

const BANNED_MACROS: &[&str] = &["todo", "unimplemented", "dbg"];

#[test]
fn the_tree_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for top in ["src", "tests", "benches", "fuzz"] {
        read_rust_files(root, &root.join(top), &mut files);
    }
    files.sort();
    let problems = problems_of(&files);
    assert!(
        problems.is_empty(),
        "{} problems:\n{}",
        problems.len(),
        problems.join("\n")
    );
}

/// Collects `(path relative to root, text)` of every Rust file in `folder` and below.
fn read_rust_files(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            if !path.ends_with("target") {
                read_rust_files(root, &path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path
                .strip_prefix(root)
                .expect("below the root")
                .to_string_lossy();
            files.push((
                name.into_owned(),
                fs::read_to_string(&path).expect("UTF-8 text"),
            ));
        }
    }
}

/// Every breach of the rules in `files`, as `path:line: what is wrong`.
fn problems_of(files: &[(String, String)]) -> Vec<String> {
    let masked: Vec<String> = files.iter().map(|(_, text)| mask(text)).collect();
    let sources: Vec<Source> = files
        .iter()
        .zip(&masked)
        .map(|((path, text), masked)| Source::new(path, text, masked))
        .collect();
    let tree = Tree::of(
        sources
            .iter()
            .filter_map(|source| Some((source.module.clone()?, &source.tokens[..]))),
    );
    let mut problems = Vec::new();
    for source in &sources {
        check_sizes(source, &mut problems);
        check_macros(source, &mut problems);
        if let Some(module) = &source.module {
            check_declarations(source, module, &tree, &mut problems);
            check_order(source, module, &tree, &mut problems);
            check_unsafe(source, module, &mut problems);
            check_tokio(source, module, &tree, &mut problems);
        }
    }
    problems
}

/// A file with its tokens; `module` is its path in the library, `None` outside of it.
struct Source<'a> {
    path: &'a str,
    text: &'a str,
    tokens: Vec<Token<'a>>,
    module: Option<Vec<&'a str>>,
}

impl<'a> Source<'a> {
    fn new(path: &'a str, text: &'a str, masked: &'a str) -> Self {
        Source {
            path,
            text,
            tokens: tokens(masked),
            module: module_of(path),
        }
    }

    fn problem(&self, line: usize, what: String) -> String {
        format!("{}:{line}: {what}", self.path)
    }

    fn is_data(&self) -> bool {
        DATA_FILES.iter().any(|data| {
            let rest = self.path.strip_prefix(data);
            rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
        })
    }
}

/// `src/store/entry.rs` is `[store, entry]`, `src/store/mod.rs` is `[store]`.
fn module_of(path: &str) -> Option<Vec<&str>> {
    let inside = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    if inside == "main" || inside.starts_with("bin/") {
        return None;
    }
    let mut parts: Vec<&str> = inside.split('/').collect();
    if matches!(parts.last(), Some(&"mod" | &"lib")) {
        parts.pop();
    }
    Some(parts)
}

fn check_sizes(source: &Source, problems: &mut Vec<String>) {
    if source.is_data() {
        return;
    }
    let lines = source.text.lines().count();
    if lines > FILE_LINES_MAX {
        let what = format!("the file has {lines} lines, at most {FILE_LINES_MAX} are allowed");
        problems.push(source.problem(lines, what));
    }
    for (index, line) in source.text.lines().enumerate() {
        let chars = line.chars().count();
        // A URL cannot be broken; a line that holds hardly anything else may be long.
        let is_url = line.split_whitespace().count() <= 2 && line.contains("://");
        if chars > LINE_CHARS_MAX && !is_url {
            let what = format!("{chars} characters, at most {LINE_CHARS_MAX} are allowed");
            problems.push(source.problem(index + 1, what));
        }
    }
    for function in functions(&source.tokens) {
        if function.lines > FUNCTION_LINES_MAX {
            let Function { name, line, lines } = function;
            let what =
                format!("fn {name} has {lines} lines, at most {FUNCTION_LINES_MAX} are allowed");
            problems.push(source.problem(line, what));
        }
    }
}

fn check_macros(source: &Source, problems: &mut Vec<String>) {
    for pair in source.tokens.windows(2) {
        if BANNED_MACROS.contains(&pair[0].text) && pair[1].text == "!" {
            let what = format!("{}! does not belong into finished work", pair[0].text);
            problems.push(source.problem(pair[0].line, what));
        }
    }
}

fn check_unsafe(source: &Source, module: &[&str], problems: &mut Vec<String>) {
    let allowed = UNSAFE_MODULES.iter().any(|allowed| {
        let allowed: Vec<&str> = allowed.split("::").collect();
        module.starts_with(&allowed)
    });
    for token in source
        .tokens
        .iter()
        .filter(|token| token.text == "unsafe" && !allowed)
    {
        let what = format!("unsafe is allowed in {} only", UNSAFE_MODULES.join(", "));
        problems.push(source.problem(token.line, what));
    }
}

fn check_tokio(source: &Source, module: &[&str], tree: &Tree, problems: &mut Vec<String>) {
    let Some(top) = module.first() else { return };
    let position = |name: &str| tree.position(&[], name).unwrap_or(usize::MAX);
    if position(top) >= position(FIRST_ASYNC_MODULE) {
        return;
    }
    for named in paths_from(&source.tokens, &["tokio"]) {
        if named.parts.get(1) != Some(&"sync") {
            let what = format!(
                "{} is below {FIRST_ASYNC_MODULE}: of tokio it may name tokio::sync only",
                module.join("::")
            );
            problems.push(source.problem(named.line, what));
        }
    }
}

/// Every file of the library belongs to a module, and lib.rs says a word about each of its.
fn check_declarations(source: &Source, module: &[&str], tree: &Tree, problems: &mut Vec<String>) {
    if let Some((name, parent)) = module.split_last() {
        if tree.position(parent, name).is_none() {
            let what = format!("no file declares module {}", module.join("::"));
            problems.push(source.problem(1, what));
        }
        return;
    }
    let lines: Vec<&str> = source.text.lines().collect();
    for (name, line) in declared(&source.tokens) {
        let mut above = lines[..line - 1].iter().rev();
        let text = above.find(|text| !text.trim_start().starts_with("#["));
        if !text.is_some_and(|text| text.starts_with("///")) {
            problems.push(source.problem(line, format!("mod {name} has no doc line above it")));
        }
    }
}

fn check_order(source: &Source, module: &[&str], tree: &Tree, problems: &mut Vec<String>) {
    for named in paths_from(&source.tokens, &["crate", "super", "self"]) {
        let Some(target) = named.absolute(module) else {
            continue;
        };
        if let Err(what) = tree.judge(module, &target) {
            problems.push(source.problem(named.line, what));
        }
    }
    for (child, line) in &tree.of_module(module).globs {
        let what = format!("use {child}::* hides which names are whose; name them");
        problems.push(source.problem(*line, what));
    }
}

struct Function<'a> {
    name: &'a str,
    line: usize,
    lines: usize,
}

/// Every function with a body; its lines count from `fn` to the closing brace.
fn functions<'a>(tokens: &[Token<'a>]) -> Vec<Function<'a>> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let Some(name) = tokens.get(at + 1).filter(|name| is_word(name.text)) else {
            continue;
        };
        if token.text != "fn" {
            continue;
        }
        let mut depth = 0;
        let mut in_body = false;
        for inner in &tokens[at..] {
            depth += nesting(inner.text);
            in_body |= inner.text == "{" && depth == 1;
            if depth == 0 && inner.text == ";" {
                break; // a declaration in a trait
            }
            if depth == 0 && in_body {
                let lines = inner.line - token.line + 1;
                found.push(Function {
                    name: name.text,
                    line: token.line,
                    lines,
                });
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The problems of a tree made of `(path, text)`, one a line.
    fn check(files: &[(&str, &str)], expect: &[&str]) {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| (path.to_string(), text.to_string()))
            .collect();
        assert_eq!(problems_of(&files), expect);
    }

    const LIB: (&str, &str) = (
        "src/lib.rs",
        "/// A.\npub mod base;\n\n/// B.\npub mod store;\n\n/// C.\npub mod net;\n",
    );
    const STORE: (&str, &str) = (
        "src/store/mod.rs",
        "mod entry;\n\nmod shard;\n\npub use shard::{Shard, lock as go};",
    );

    #[test]
    fn names_upwards_only() {
        let shard = (
            "src/store/shard.rs",
            "use crate::base::A;\nuse super::entry::Entry;",
        );
        check(
            &[LIB, STORE, shard, ("src/base.rs", "fn a() { Some(1); }")],
            &[],
        );
        check(
            &[
                LIB,
                (
                    "src/base.rs",
                    "\nuse crate::{net::B, store};\nfn a() { crate::net::c() }",
                ),
            ],
            &[
                "src/base.rs:2: base names net, which lib.rs declares after base",
                "src/base.rs:2: base names store, which lib.rs declares after base",
                "src/base.rs:3: base names net, which lib.rs declares after base",
            ],
        );
    }

    #[test]
    fn names_upwards_only_inside_a_folder() {
        let expect =
            "src/store/entry.rs:1: store::entry names shard, which store declares after entry";
        for text in [
            "use super::shard::Shard;",
            "use super::Shard;",
            "use super::{\ngo};",
            "fn f() { crate::store::shard::f() }",
            "mod tests { use super::super::shard::Shard; }",
        ] {
            let expect = expect.replace(":1:", if text.contains('\n') { ":2:" } else { ":1:" });
            check(&[LIB, STORE, ("src/store/entry.rs", text)], &[&expect]);
        }
        for text in [
            "use super::Limit;",
            "use crate::store::Limit;",
            "mod tests { use super::*; }",
            "pub(in crate::store) fn f() {}",
            "// crate::net is far away\nconst A: &str = \"crate::net::x\";",
        ] {
            check(&[LIB, STORE, ("src/store/entry.rs", text)], &[]);
        }
    }

    #[test]
    fn ways_around_the_order_are_closed() {
        check(
            &[
                LIB,
                STORE,
                ("src/store/entry.rs", "use super::*;\nuse crate::store;"),
            ],
            &[
                "src/store/entry.rs:1: store::entry takes a glob from its parent; \
                 name what it needs",
                "src/store/entry.rs:2: store::entry imports its own ancestor store as a whole",
            ],
        );
        check(
            &[LIB, ("src/store/mod.rs", "mod entry;\npub use entry::*;")],
            &["src/store/mod.rs:2: use entry::* hides which names are whose; name them"],
        );
    }

    #[test]
    fn every_file_has_its_declaration() {
        check(
            &[
                ("src/lib.rs", "pub mod base;"),
                ("src/orphan.rs", ""),
                ("src/bin/tool.rs", ""),
            ],
            &[
                "src/lib.rs:1: mod base has no doc line above it",
                "src/orphan.rs:1: no file declares module orphan",
            ],
        );
    }

    #[test]
    fn sizes() {
        let long_function = format!("fn long() {{\n{}}}\n", "    a();\n".repeat(69));
        let allowed = format!("fn f(a: [u8; 3]) {{\n{}}}\n", "    a();\n".repeat(68));
        let expect = "tests/a.rs:1: fn long has 71 lines, at most 70 are allowed";
        check(
            &[("tests/a.rs", &long_function), ("tests/b.rs", &allowed)],
            &[expect],
        );
        let many_lines = "\n".repeat(601);
        let expect = "tests/a.rs:601: the file has 601 lines, at most 600 are allowed";
        check(&[("tests/a.rs", &many_lines)], &[expect]);
        let wide = format!("\n// {}\n// https://{}\n", "x ".repeat(49), "x".repeat(100));
        let expect = "tests/a.rs:2: 101 characters, at most 100 are allowed";
        check(&[("tests/a.rs", &wide)], &[expect]);
        let docs = [LIB, ("src/store/mod.rs", ""), ("tests/a.rs", "")];
        check(&docs, &[]);
        let data = Source::new("src/commands/docs/string.rs", "", "");
        assert!(data.is_data() && !Source::new("src/commands/docstring.rs", "", "").is_data());
    }

    #[test]
    fn words_that_are_refused() {
        let text = "fn a() { todo!() }\nfn b() { unsafe { c() } } // unsafe todo!\n";
        check(
            &[LIB, ("src/base.rs", text)],
            &[
                "src/base.rs:1: todo! does not belong into finished work",
                "src/base.rs:2: unsafe is allowed in table, store::entry, store::keyspace, \
                 store::locked, base::memory, base::title only",
            ],
        );
        check(
            &[LIB, STORE, ("src/store/entry.rs", "unsafe fn a() {}")],
            &[],
        );
    }

    #[test]
    fn tokio_stays_above() {
        let text = "use tokio::sync::Notify;\nuse tokio::{sync, net::TcpStream};\n";
        check(
            &[LIB, ("src/base.rs", text), ("src/net.rs", text)],
            &["src/base.rs:2: base is below net: of tokio it may name tokio::sync only"],
        );
    }
}
