//! Which module names which: declarations, re-exports, and paths written with `crate`,
//! `super` or `self`.

use std::collections::HashMap;

use super::lexer::{Token, is_word, nesting};

/// What each module declares, in order, and which names it re-exports from its children.
pub struct Tree<'a> {
    /// By the module's path, as in `store::entry`; the root's is empty.
    modules: HashMap<String, Module<'a>>,
    nothing: Module<'a>,
}

#[derive(Default)]
pub struct Module<'a> {
    children: Vec<&'a str>,
    /// A name that `use child::name` brings into the module, and that child.
    reexports: HashMap<&'a str, &'a str>,
    /// Children whose names all come in by `use child::*`, with the line that says so.
    pub globs: Vec<(&'a str, usize)>,
}

impl<'a> Tree<'a> {
    /// `sources` are the library's files: the path of the module, the tokens.
    pub fn of<'t>(sources: impl Iterator<Item = (Vec<&'a str>, &'t [Token<'a>])>) -> Self
    where
        'a: 't,
    {
        let mut modules = HashMap::new();
        for (path, tokens) in sources {
            let mut module = Module::default();
            module
                .children
                .extend(declared(tokens).iter().map(|(name, _)| *name));
            module.find_reexports(tokens);
            modules.insert(path.join("::"), module);
        }
        Tree {
            modules,
            nothing: Module::default(),
        }
    }

    pub fn of_module(&self, path: &[&str]) -> &Module<'a> {
        self.modules.get(&path.join("::")).unwrap_or(&self.nothing)
    }

    /// The place of `name` among the declarations of module `parent`.
    pub fn position(&self, parent: &[&str], name: &str) -> Option<usize> {
        self.of_module(parent)
            .children
            .iter()
            .position(|child| *child == name)
    }

    /// May module `own` name the path `target`? The two are compared where they part.
    pub fn judge(&self, own: &[&str], target: &[&str]) -> Result<(), String> {
        let common = own.iter().zip(target).take_while(|(a, b)| a == b).count();
        let (Some(mine), parent) = (own.get(common), &own[..common]) else {
            return Ok(()); // the module's own items and children
        };
        let own_name = own.join("::");
        let Some(name) = target.get(common) else {
            let ancestor = parent.join("::");
            return Err(format!(
                "{own_name} imports its own ancestor {ancestor} as a whole"
            ));
        };
        let module = self.of_module(parent);
        let my_place = self.position(parent, mine);
        if *name == "*" {
            // Only the last module (the tests, as a rule) has everything above it.
            let is_last = my_place.is_some_and(|place| place + 1 == module.children.len());
            let what = format!("{own_name} takes a glob from its parent; name what it needs");
            return if is_last { Ok(()) } else { Err(what) };
        }
        let child = if module.children.contains(name) {
            name
        } else {
            module.reexports.get(name).unwrap_or(mine) // an item of the parent itself
        };
        if self.position(parent, child) <= my_place {
            return Ok(());
        }
        let place = if parent.is_empty() {
            "lib.rs".into()
        } else {
            parent.join("::")
        };
        Err(format!(
            "{own_name} names {child}, which {place} declares after {mine}"
        ))
    }
}

impl<'a> Module<'a> {
    fn find_reexports(&mut self, tokens: &[Token<'a>]) {
        let mut depth = 0;
        for (at, token) in tokens.iter().enumerate() {
            depth += nesting(token.text);
            if token.text != "use" || depth != 0 {
                continue;
            }
            let mut found = Vec::new();
            read_path(tokens, at + 1, &mut Vec::new(), &mut found);
            for named in &mut found {
                if named.parts.first() == Some(&"self") {
                    named.parts.remove(0);
                }
                let [child, .., last] = named.parts[..] else {
                    continue;
                };
                if !self.children.contains(&child) {
                    continue;
                }
                if last == "*" {
                    self.globs.push((child, named.line));
                } else {
                    self.reexports.insert(named.alias.unwrap_or(last), child);
                }
            }
        }
    }
}

/// The modules that a file declares at its outermost level, with their lines.
pub fn declared<'a>(tokens: &[Token<'a>]) -> Vec<(&'a str, usize)> {
    let mut depth = 0;
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        depth += nesting(token.text);
        let end = tokens.get(at + 2).map_or("", |end| end.text);
        if token.text == "mod" && depth == 0 && matches!(end, ";" | "{") {
            found.push((tokens[at + 1].text, token.line));
        }
    }
    found
}

/// A path as a file names it, after its groups are taken apart.
pub struct Named<'a> {
    pub parts: Vec<&'a str>,
    alias: Option<&'a str>,
    pub line: usize,
    /// How many inline modules (`mod tests { .. }`) stand around it.
    inline_depth: usize,
}

impl<'a> Named<'a> {
    /// The path from the root of the crate, when named in a file of module `own`.
    pub fn absolute(&self, own: &[&'a str]) -> Option<Vec<&'a str>> {
        let mut base = own.to_vec();
        base.extend(std::iter::repeat_n("{inline}", self.inline_depth));
        for part in &self.parts {
            match *part {
                "crate" => base.clear(),
                "self" => {}
                "super" => {
                    base.pop()?;
                }
                name => base.push(name),
            }
        }
        Some(base)
    }
}

/// Every path in the file that begins with one of `roots`.
pub fn paths_from<'a>(tokens: &[Token<'a>], roots: &[&str]) -> Vec<Named<'a>> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let mut found = Vec::new();
    let mut depth = 0;
    let mut inline_ends_at = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if text(at) == "mod" && text(at + 2) == "{" {
            inline_ends_at.push(depth);
        }
        depth += nesting(text(at));
        if text(at) == "}" && inline_ends_at.last() == Some(&depth) {
            inline_ends_at.pop();
        }
        let before = if at == 0 { "" } else { text(at - 1) };
        // `pub(in crate::x)` grants, it does not use.
        let is_path = roots.contains(&text(at)) && !matches!(before, "::" | "in");
        if !is_path || (text(at + 1) != "::" && before != "use") {
            at += 1;
            continue;
        }
        let first = found.len();
        at = read_path(tokens, at, &mut Vec::new(), &mut found);
        for named in &mut found[first..] {
            named.inline_depth = inline_ends_at.len();
        }
    }
    found
}

/// Reads the path (or tree of paths) that begins at token `at`; returns where it ends.
fn read_path<'a>(
    tokens: &[Token<'a>],
    mut at: usize,
    prefix: &mut Vec<&'a str>,
    found: &mut Vec<Named<'a>>,
) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let length = prefix.len();
    let line = tokens.get(at).map_or(0, |token| token.line);
    loop {
        if text(at) == "{" {
            at += 1;
            while !matches!(text(at), "}" | "") {
                at = read_path(tokens, at, prefix, found);
                // The comma, and whatever could not be read as a path: never stand still.
                at += usize::from(text(at) != "}");
            }
            prefix.truncate(length);
            return at + 1;
        }
        if !is_word(text(at)) && text(at) != "*" {
            break;
        }
        prefix.push(text(at));
        at += 1;
        if text(at) != "::" {
            break;
        }
        at += 1;
    }
    let alias = (text(at) == "as").then(|| text(at + 1));
    if alias.is_some() {
        at += 2;
    }
    found.push(Named {
        parts: prefix.clone(),
        alias,
        line,
        inline_depth: 0,
    });
    prefix.truncate(length);
    at
}
