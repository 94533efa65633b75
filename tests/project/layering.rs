//! Imports point down only: the table of docs/ARCHITECTURE.md, checked against every `use crate::…` and `crate::…` in
//! src.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Room → rooms it may name. The base row (plain data and pure functions) is open to all and names only itself.
const BASE: &[&str] = &[
    "catalog", "error", "event", "layers", "metrics", "notify", "profile", "rng", "schedule",
    "state", "storage", "text",
];

fn may_name() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("net", vec![]),
        ("search", vec![]),
        ("kernels", vec![]),
        ("nn", vec!["kernels"]),
        ("optim", vec!["kernels", "nn"]),
        ("data", vec!["net"]),
        ("model", vec!["kernels", "nn"]),
        ("train", vec!["kernels", "nn", "optim", "data", "model"]),
        (
            "run",
            vec!["net", "kernels", "nn", "data", "model", "train", "search"],
        ),
        ("export", vec!["run", "train"]),
        ("headless", vec!["run", "search"]),
        ("tui", vec!["net", "run", "data", "model", "search"]),
        (
            "commands",
            vec![
                "net", "kernels", "nn", "data", "model", "train", "run", "export", "headless",
                "tui", "search",
            ],
        ),
    ])
}

fn rust_files(directory: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The code of a file: without its tests and comments.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path)
        .unwrap()
        .replace("pub(super) mod tests", "mod tests");
    let before_tests = text
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    before_tests
        .lines()
        .map(|l| l.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Every room named after `crate::`, also inside `use crate::{a::b, c}`.
fn named_rooms(code: &str) -> Vec<String> {
    named_after("crate::", code)
}

fn named_after(prefix: &str, code: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        let rest = &code[at + prefix.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            let mut fresh = true;
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => fresh = true,
                    c if depth == 0 && fresh && (c.is_alphanumeric() || c == '_') => word.push(c),
                    _ if !word.is_empty() => {
                        fresh = false;
                        rooms.push(std::mem::take(&mut word));
                    }
                    _ => {}
                }
            }
            rooms.extend((!word.is_empty()).then_some(word));
        } else {
            rooms.push(
                rest.chars()
                    .take_while(|c| c.is_alphanumeric() || *c == '_')
                    .collect(),
            );
        }
    }
    rooms
}

fn room_of(path: &Path) -> String {
    let relative = path.strip_prefix("src").unwrap();
    let first = relative
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy();
    first.trim_end_matches(".rs").to_string()
}

#[test]
fn imports_point_down_only() {
    let allowed = may_name();
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    assert!(files.len() > 30, "found only {} files", files.len());
    let mut wrong = Vec::new();
    for path in &files {
        let room = room_of(path);
        if matches!(room.as_str(), "lib" | "main") {
            continue;
        }
        let base = BASE.contains(&room.as_str());
        for named in named_rooms(&code(path)) {
            let known = BASE.contains(&named.as_str()) || allowed.contains_key(named.as_str());
            let fine = !known
                || named == room
                || BASE.contains(&named.as_str())
                || (!base
                    && allowed
                        .get(room.as_str())
                        .is_some_and(|a| a.contains(&named.as_str())));
            if !fine {
                wrong.push(format!("{} ({room}) names {named}", path.display()));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "imports that point up:\n{}",
        wrong.join("\n")
    );
}

/// The modules of a directory and which of them each names, by `crate::its::path::` or so many `super::`.
fn edges(room: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    rust_files(room, &mut files);
    let mut edges = BTreeMap::<String, BTreeSet<String>>::new();
    for path in &files {
        let inside = path.strip_prefix(room).unwrap().with_extension("");
        let mut names: Vec<_> = inside.iter().map(|name| name.to_str().unwrap()).collect();
        names.retain(|name| *name != "mod");
        if let Some(module) = names.first().filter(|_| !names.contains(&"tests")) {
            let (code, up) = (code(path), "super::".repeat(names.len()));
            let mut others = named_after(&up, &code);
            let path = room.strip_prefix("src").unwrap().display().to_string();
            let whole = format!("crate::{}::", path.replace('/', "::"));
            others.extend(named_after(&whole, &code));
            others.retain(|name| name != module);
            edges.entry((*module).into()).or_default().extend(others);
        }
    }
    edges
}

#[test]
fn modules_do_not_name_each_other_in_circles() {
    let mut places = vec![PathBuf::from("src")];
    let mut circles = Vec::new();
    while let Some(place) = places.pop() {
        let entries = fs::read_dir(&place).unwrap().flatten();
        places.extend(
            entries
                .map(|entry| entry.path())
                .filter(|path| path.is_dir()),
        );
        if place == Path::new("src") {
            continue;
        }
        let mut edges = edges(&place);
        // Whoever names nobody that is left is in no circle.
        loop {
            let left: BTreeSet<_> = edges.keys().cloned().collect();
            edges.retain(|_, named| !named.is_disjoint(&left));
            if edges.len() == left.len() {
                break;
            }
        }
        if !edges.is_empty() {
            circles.push(format!("{}: {:?}", place.display(), edges.keys()));
        }
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn only_their_rooms_know_candle_the_terminal_and_unsafe() {
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    let mut wrong = Vec::new();
    for path in &files {
        let (room, code) = (room_of(path), code(path));
        let rules: [(&str, &[&str]); 4] = [
            (
                "candle_",
                &["kernels", "nn", "optim", "model", "train", "commands"],
            ),
            ("ratatui", &["tui"]),
            ("crossterm", &["tui"]),
            ("unsafe ", &["kernels"]),
        ];
        for (word, rooms) in rules {
            if code.contains(word) && !rooms.contains(&room.as_str()) {
                wrong.push(format!("{} ({room}) uses {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "in the wrong room:\n{}", wrong.join("\n"));
}

/// What somebody else may have written is read through `storage`, which asks first what it is and how long; and what
/// may be somebody else's is printed through `headless`, the screens through their backend.
#[test]
fn files_are_read_and_lines_printed_at_one_place() {
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    let reads = ["fs::read(", "read_to_string(", "File::open("];
    let prints = ["io::stdout()", "io::stderr()"];
    let mut wrong = Vec::new();
    for path in &files {
        let code = code(path);
        let place = path.display().to_string();
        if place.contains("tests") || place.ends_with("speed.rs") {
            continue;
        }
        let own = |line: &str| line.contains("/proc/self/") || line.contains(".is_terminal()");
        for line in code.lines().filter(|line| !own(line)) {
            let reads = reads.iter().any(|word| line.contains(word)) && place != "src/storage.rs";
            let prints = prints.iter().any(|word| line.contains(word))
                && place != "src/headless/output.rs"
                && !place.starts_with("src/tui/");
            if reads || prints {
                wrong.push(format!("{place}: {}", line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "elsewhere:\n{}", wrong.join("\n"));
}

#[test]
fn the_checker_sees_through_groups() {
    assert_eq!(
        named_rooms("use crate::{data::{A, b}, tui::x, event}; crate::run::y"),
        ["data", "tui", "event", "run"]
    );
}

/// What is known of a published set stands in its row.
#[test]
fn only_the_catalog_names_a_data_set() {
    let mut files = Vec::new();
    rust_files(Path::new("src"), &mut files);
    let place = |path: &Path| path.display().to_string();
    files.retain(|path| !place(path).contains("tests") && !place(path).contains("testing"));
    let names = ["fashion", "\"mnist\"", "kmnist"];
    let wrong: Vec<_> = files
        .iter()
        .filter(|path| room_of(path) != "catalog")
        .filter(|path| {
            names
                .iter()
                .any(|name| code(path).to_lowercase().contains(name))
        })
        .map(|path| place(path))
        .collect();
    assert!(wrong.is_empty(), "a row of catalog::SETS: {wrong:?}");
}
