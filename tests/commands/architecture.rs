//! The layers of docs/architecture.md: nothing imports upwards or in a circle, and what computes reads and writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Crates by layer, the lowest first: a crate depends on crates of lower layers only.
const CRATES: &[&[&str]] = &[
    &["base", "commit"],
    &["bars", "host", "neural"],
    &["engine", "folds"],
    &["boost", "features", "ptx", "shadow"],
    &["labels", "metrics"],
    &["decide", "patterns", "risk"],
    &["report", "trainer"],
];

/// Modules of the program by layer, the lowest first: a module imports modules of lower layers only.
const MODULES: &[&[&str]] = &[
    &["commit", "exit", "polars", "program", "tls"],
    &["kill", "settings", "ui"],
    &["brain", "logs", "market", "models", "notify", "sync"],
    &["audit", "export", "health", "live"],
    &["pipeline"],
    &["commands"],
    &["cli"],
];

/// Crates that compute: no files, no network, no environment, no terminal, no clock of the day.
const COMPUTE: &[&str] =
    &["bars", "boost", "decide", "features", "folds", "labels", "metrics", "patterns", "risk", "shadow", "trainer"];
const OUTSIDE: &[&str] =
    &["std::fs", "std::net", "std::env", "std::process", "println!", "tokio", "SystemTime", "Utc::now"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn layer(layers: &[&[&str]], name: &str) -> usize {
    let found = layers.iter().position(|layer| layer.contains(&name));
    found.unwrap_or_else(|| panic!("{name} has no layer in tests/commands/architecture.rs"))
}

/// Every Rust file below `folder`, without those of tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if ["tests", "properties", "example"].contains(&stem) {
            continue;
        }
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a file: without comments, and without the tests at its end.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The module of a file below `src`: `src/pipeline/day.rs` is `pipeline::day`.
fn module(src: &Path, file: &Path) -> Vec<String> {
    let path = file.strip_prefix(src).unwrap().with_extension("");
    let mut parts: Vec<String> = path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    parts.retain(|part| !["lib", "main"].contains(&part.as_str()));
    parts
}

/// Every path of a `use` tree: `a::{b, c::d}` gives `a::b` and `a::c::d`.
fn expand(tree: &str, prefix: &[String], out: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    if let Some(open) = tree.find('{') {
        let mut prefix = prefix.to_vec();
        prefix.extend(tree[..open].split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
        let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
        let (mut depth, mut start) = (0, 0);
        for (at, c) in inner.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    expand(&inner[start..at], &prefix, out);
                    start = at + 1;
                }
                _ => {}
            }
        }
        expand(&inner[start..], &prefix, out);
    } else if !tree.is_empty() {
        let name = tree.split(" as ").next().unwrap_or_default();
        let mut path = prefix.to_vec();
        path.extend(name.split("::").map(|part| part.trim().to_owned()));
        out.push(path);
    }
}

/// Paths that a file names from `crate` or `super`, in `use` or in the middle of code.
fn paths(code: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut at = 0;
    for line in code.split_inclusive('\n') {
        let (begin, text) = (at, line.trim_start());
        at += line.len();
        let text = text.strip_prefix("pub ").or_else(|| text.strip_prefix("pub(crate) ")).unwrap_or(text);
        if let (Some(tree), Some(end)) = (text.strip_prefix("use "), code[begin..].find(';')) {
            let tree = begin + line.len() - tree.len();
            expand(&code[tree..begin + end], &[], &mut found);
        }
    }
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            let path = code[at..].split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).next().unwrap();
            found.push(path.trim_end_matches(':').split("::").map(str::to_owned).collect());
        }
    }
    found.retain(|path| ["crate", "super", "self"].contains(&path[0].as_str()));
    found
}

/// The absolute path of one named in `module`.
fn resolve(module: &[String], path: &[String]) -> Vec<String> {
    let mut absolute = module.to_vec();
    for (at, part) in path.iter().enumerate() {
        match part.as_str() {
            "crate" => absolute.clear(),
            "super" => drop(absolute.pop()),
            "self" if at == 0 => {}
            other => absolute.push(other.to_owned()),
        }
    }
    absolute
}

/// A module's own files, by module, and what each names.
struct Tree {
    modules: BTreeMap<Vec<String>, Vec<Vec<String>>>,
}

impl Tree {
    fn read(src: &Path) -> Self {
        let one = |file: &PathBuf| {
            let module = module(src, file);
            let named = paths(&code(file)).iter().map(|path| resolve(&module, path)).collect();
            (module, named)
        };
        Self { modules: sources(src).iter().map(one).collect() }
    }

    /// The deepest module that a path leads to; names that a module re-exports from its child lead to the child.
    fn target(&self, path: &[String]) -> Vec<String> {
        let mut at = Vec::new();
        for (depth, part) in path.iter().enumerate() {
            at.push(part.clone());
            if self.modules.contains_key(&at) {
                continue;
            }
            at.pop();
            // `pub use child::Name` in the module's own file.
            let exported = self.modules.get(&at).into_iter().flatten().find(|named| {
                named.len() > at.len() + 1 && named.starts_with(&at) && named.last() == Some(part) && depth == at.len()
            });
            if let Some(child) = exported.map(|named| named[..named.len() - 1].to_vec())
                && self.modules.contains_key(&child)
            {
                return child;
            }
            break;
        }
        at
    }

    /// Which children of `parent` name which others.
    fn siblings(&self, parent: &[String]) -> BTreeMap<String, BTreeSet<String>> {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, named) in self.modules.iter().filter(|(module, _)| inside(module, parent)) {
            let from = &module[parent.len()];
            for target in named.iter().map(|path| self.target(path)).filter(|target| inside(target, parent)) {
                let to = &target[parent.len()];
                if to != from {
                    edges.entry(from.clone()).or_default().insert(to.clone());
                }
            }
        }
        edges
    }
}

fn inside(module: &[String], parent: &[String]) -> bool {
    module.len() > parent.len() && module.starts_with(parent)
}

/// A way from a node back to itself, if there is one.
fn circle(edges: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn visit<'a>(
        node: &'a str,
        edges: &'a BTreeMap<String, BTreeSet<String>>,
        on_the_way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> bool {
        if on_the_way.contains(&node) {
            on_the_way.push(node);
            return true;
        }
        if done.contains(node) {
            return false;
        }
        on_the_way.push(node);
        for next in edges.get(node).into_iter().flatten() {
            if visit(next, edges, on_the_way, done) {
                return true;
            }
        }
        on_the_way.pop();
        done.insert(node);
        false
    }
    let mut done = BTreeSet::new();
    for node in edges.keys() {
        let mut on_the_way = Vec::new();
        if visit(node, edges, &mut on_the_way, &mut done) {
            let end = *on_the_way.last().unwrap();
            let first = on_the_way.iter().position(|node| *node == end).unwrap();
            return Some(on_the_way[first..].iter().map(|node| (*node).to_owned()).collect());
        }
    }
    None
}

/// Names of the workspace's crates, and the text of each one's manifest.
fn manifests() -> Vec<(String, String)> {
    let folders = std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<(String, String)> = folders
        .map(|folder| {
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(folder.join("Cargo.toml")).unwrap())
        })
        .collect();
    all.sort();
    all
}

/// The keys below `[dependencies]`.
fn dependencies(manifest: &str) -> Vec<&str> {
    let table = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
    let table = table.split("\n[").next().unwrap_or_default();
    table.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|key| !key.is_empty()).collect()
}

#[test]
fn crates_depend_on_lower_layers_only() {
    let manifests = manifests();
    assert_eq!(manifests.len(), CRATES.iter().map(|layer| layer.len()).sum::<usize>());
    for (name, manifest) in &manifests {
        let own = layer(CRATES, name);
        for other in dependencies(manifest).iter().filter_map(|key| key.strip_prefix("huracan-")) {
            assert!(layer(CRATES, other) < own, "{name} depends on {other}, which is not below it");
        }
    }
}

#[test]
fn modules_import_lower_layers_only() {
    let tree = Tree::read(&root().join("src"));
    let mut checked = 0;
    for (from, targets) in tree.siblings(&[]) {
        for to in targets {
            assert!(layer(MODULES, &to) < layer(MODULES, &from), "{from} imports {to}, which is not below it");
            checked += 1;
        }
    }
    assert!(checked > 30, "{checked} imports were found");
}

#[test]
fn no_module_imports_in_a_circle() {
    let crates = manifests().into_iter().map(|(name, _)| root().join("crates").join(name).join("src"));
    let mut faults = Vec::new();
    for src in crates.chain([root().join("src")]) {
        let tree = Tree::read(&src);
        for parent in tree.modules.keys().cloned().chain([Vec::new()]).collect::<BTreeSet<_>>() {
            if let Some(circle) = circle(&tree.siblings(&parent)) {
                faults.push(format!("{}: {}: {}", src.display(), parent.join("::"), circle.join(" → ")));
            }
        }
    }
    assert!(faults.is_empty(), "imports in a circle:\n{}", faults.join("\n"));
}

#[test]
fn what_computes_reads_and_writes_nothing() {
    for name in COMPUTE {
        for file in sources(&root().join("crates").join(name).join("src")) {
            let code = code(&file);
            for outside in OUTSIDE {
                assert!(!code.contains(outside), "{} uses {outside}", file.display());
            }
        }
    }
}

#[test]
fn a_circle_and_an_import_upwards_are_found() {
    let edges = |pairs: &[(&str, &str)]| {
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (from, to) in pairs {
            edges.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        edges
    };
    assert_eq!(circle(&edges(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    assert_eq!(circle(&edges(&[("a", "b"), ("b", "c"), ("c", "b")])), Some(vec!["b".into(), "c".into(), "b".into()]));
    let found = paths("use crate::brain::{self, Brain, rows::{A, B}};\nlet x = super::day::time(3);\n");
    let found: Vec<String> = found.iter().map(|path| path.join("::")).collect();
    for path in ["crate::brain::self", "crate::brain::Brain", "crate::brain::rows::B", "super::day::time"] {
        assert!(found.iter().any(|one| one == path), "{path} is not among {found:?}");
    }
    let module = vec!["pipeline".to_owned(), "carry".to_owned()];
    let path: Vec<String> = ["super", "day", "time"].map(str::to_owned).to_vec();
    assert_eq!(resolve(&module, &path).join("::"), "pipeline::day::time");
}
