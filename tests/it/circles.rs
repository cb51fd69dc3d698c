//! Each room of the source knows those before it and none behind it, and no file imports one that leads back to it: where two
//! need each other, an idea between them has no file of its own. A file and those in the folder of its name are one piece.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

type Module = Vec<String>;
type Imports = BTreeMap<Module, BTreeSet<Module>>;

/// The text of every module below a folder.
fn modules(folder: &Path, above: &[String], found: &mut BTreeMap<Module, String>) {
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            modules(&path, &[above, &[name]].concat(), found);
        } else if !matches!(name.as_str(), "lib" | "main") {
            let own = if name == "mod" { Vec::new() } else { vec![name] };
            found.insert([above, &own].concat(), fs::read_to_string(&path).unwrap());
        }
    }
}

/// A module's text without its tests, comments and literals.
fn bare(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = text.lines().map(|line| line.split("//").next().unwrap());
    let pieces = lines.map(|line| line.split('"').step_by(2).collect::<Vec<_>>().join(" "));
    pieces.collect::<Vec<_>>().join("\n")
}

/// The paths that a list of imports stands for: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn paths(list: &str) -> Vec<String> {
    let list = list.trim();
    let Some((before, inner)) = list.split_once('{') else { return vec![list.to_owned()] };
    let (mut depth, mut pieces) = (0, vec![String::new()]);
    for c in inner.trim_end().strip_suffix('}').unwrap_or(inner).chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 { pieces.push(String::new()) } else { pieces.last_mut().unwrap().push(c) }
    }
    pieces.iter().flat_map(|piece| paths(piece)).map(|path| format!("{}{path}", before.trim())).collect()
}

/// Every path that a module names.
fn named(text: &str) -> Vec<String> {
    let uses = text.split("use ").skip(1).filter_map(|rest| rest.split_once(';'));
    let of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let inline = text.split(|c| !of_path(c)).filter(|word| word.contains("::")).map(str::to_owned);
    uses.flat_map(|(list, _)| paths(list)).chain(inline).collect()
}

/// The module that a path leads to, from another one.
fn target(from: &[String], path: &str, all: &BTreeMap<Module, String>) -> Option<Module> {
    let mut words: Vec<&str> = path.split("::").map(|word| word.split_whitespace().next().unwrap_or("")).collect();
    let mut at = match words[0] {
        "crate" => Vec::new(),
        "super" | "self" => from.to_vec(),
        first => {
            let inner = [from, &[first.to_owned()]].concat();
            all.contains_key(&inner).then(|| from.to_vec())?
        }
    };
    while words.first().is_some_and(|word| matches!(*word, "crate" | "super" | "self")) {
        if words.remove(0) == "super" {
            at.pop();
        }
    }
    at.extend(words.into_iter().map(str::to_owned));
    while !at.is_empty() && !all.contains_key(&at) {
        at.pop();
    }
    (!at.is_empty()).then_some(at)
}

/// What each module imports, but for itself and those that it is in.
fn imports(all: &BTreeMap<Module, String>) -> Imports {
    let of = |(module, text): (&Module, &String)| {
        let text = bare(text);
        let targets = named(&text).into_iter().filter_map(|path| target(module, &path, all));
        (module.clone(), targets.filter(|target| !module.starts_with(target)).collect())
    };
    all.iter().map(of).collect()
}

/// A way from a module back to it, if there is one.
fn circle(imports: &Imports) -> Option<Vec<String>> {
    let way = |from: &Module| {
        let mut ways: Vec<Vec<&Module>> = imports[from].iter().map(|first| vec![first]).collect();
        let mut seen = BTreeSet::new();
        while let Some(way) = ways.pop() {
            let last = way[way.len() - 1];
            if last == from {
                return Some(way.iter().map(|module| module.join("/")).collect());
            }
            if seen.insert(last) {
                ways.extend(imports[last].iter().map(|next| [&way[..], &[next]].concat()));
            }
        }
        None
    };
    imports.keys().find_map(way)
}

fn sources() -> BTreeMap<Module, String> {
    let mut all = BTreeMap::new();
    modules(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut all);
    all.retain(|module, _| !module.iter().any(|name| matches!(name.as_str(), "tests" | "testing")));
    all
}

#[test]
fn no_file_leads_back_to_itself() {
    let all = sources();
    assert!(all.len() > 150, "{}", all.len());
    let imports = imports(&all);
    let count: usize = imports.values().map(BTreeSet::len).sum();
    assert!(count > 500, "{count} imports");
    assert_eq!(circle(&imports), None);
}

#[test]
fn the_simulated_api_knows_nothing_of_the_exporter() {
    for (module, targets) in imports(&sources()).iter().filter(|(module, _)| module[0] == "sim") {
        let strange: Vec<_> = targets.iter().filter(|target| target[0] != "sim").collect();
        assert!(strange.is_empty(), "{module:?} imports {strange:?}");
    }
}

/// The rooms, in the order of what they may know: each knows those before it. `error` belongs to `words`.
const ROOMS: [&str; 13] = [
    "words", "list", "walk", "rows", "store", "config", "api", "stage", "dataset", "sim", "terminal", "cli", "commands",
];

/// The imports that go up, each from the room that must not know the other.
fn upwards(imports: &Imports) -> Vec<String> {
    let floor = |module: &Module| {
        let room = if module[0] == "error" { "words" } else { module[0].as_str() };
        ROOMS.iter().position(|name| *name == room).unwrap_or_else(|| panic!("no such room: {room}"))
    };
    let arrows = imports.iter().flat_map(|(from, targets)| targets.iter().map(move |to| (from, to)));
    let up = arrows.filter(|(from, to)| floor(to) > floor(from));
    up.map(|(from, to)| format!("{} -> {}", from.join("/"), to.join("/"))).collect()
}

#[test]
fn no_room_knows_a_later_one() {
    assert_eq!(upwards(&imports(&sources())), Vec::<String>::new());
}

#[test]
fn there_are_few_rooms() {
    let entries = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let names: BTreeSet<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let rooms = ROOMS.into_iter().chain(["error.rs", "lib.rs", "main.rs"]).map(str::to_owned).collect();
    assert_eq!(names, rooms);
}

#[test]
fn what_is_pure_knows_no_disk_no_network_and_no_clock() {
    const PURE: [&str; 3] = ["list", "walk", "rows"];
    const IMPURE: [&str; 6] = ["std::fs", "std::net", "std::env", "SystemTime", "Instant", "tokio"];
    for (module, text) in sources().iter().filter(|(module, _)| PURE.contains(&module[0].as_str())) {
        let text = bare(text);
        let strange: Vec<_> = IMPURE.iter().filter(|name| text.contains(**name)).collect();
        assert!(strange.is_empty(), "{module:?} names {strange:?}");
    }
}

#[test]
fn a_circle_and_an_import_that_goes_up_are_found() {
    let module = |name: &str, text: &str| (name.split('/').map(str::to_owned).collect(), text.to_owned());
    let mut all: BTreeMap<Module, String> = BTreeMap::from([
        module("a", "use crate::b::{self, c::{Thing, Other as Known}};"),
        module("b", "mod c;"),
        module("b/c", "use super::Own; // use crate::a::Not;\nfn f() { let _ = \"crate::a\"; }"),
    ]);
    assert_eq!(circle(&imports(&all)), None);
    all.extend([module("b/c", "fn f(_: crate::a::Thing) {}")]);
    assert!(circle(&imports(&all)).is_some());
    all.insert(vec!["words".to_owned()], "use crate::walk::Plan;".to_owned());
    all.insert(vec!["walk".to_owned()], "use crate::words::Known;".to_owned());
    all.retain(|module, _| module.len() == 1 && module[0].starts_with('w'));
    assert_eq!(upwards(&imports(&all)), ["words -> walk"]);
}
