//! One word for one thing: the words that docs/glossary.md retired stand in no string that users see, and in no page.
//!
//! Strings of src are read without their tests, comments, panics and serde aliases. A word is taken whole, in any case.

use std::fs;
use std::path::{Path, PathBuf};

/// The retired word or phrase, and what is written today.
const RETIRED: &[(&str, &str)] = &[
    ("picture", "image"),
    ("pictures", "images"),
    ("mult-adds", "multiply-adds, MACs"),
    ("regime", "training mode"),
    ("regimes", "training modes"),
    ("begun from", "initialised from"),
    ("begins with its weights", "initialised from"),
    ("go on with", "resume"),
    ("goes on with", "resumes"),
    ("come back with", "reattach with"),
    ("gives up", "cancels"),
    ("by plan", "with the plan backend"),
    ("test part", "test set"),
    ("training part", "training set"),
    ("validation part", "validation set"),
    ("cut short", "truncated"),
    ("without a word", "unexpectedly"),
    ("vouches", "verified"),
    ("predicted right", "correct"),
    ("picked out", "selected"),
    ("is no TOML", "is not valid TOML"),
    ("anew at", "again at"),
    ("as it came", "unverified"),
];

/// What keeps an old word on purpose: keys of old records and logs, and pages about the past.
const ALLOWED: &[&str] = &["train_pictures", "validation_pictures", "test_pictures"];

fn files(directory: &Path, extension: &str, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, extension, out);
        } else if path.extension().is_some_and(|e| e == extension) {
            out.push(path);
        }
    }
}

/// The string literals of Rust code and its clap help (`///` in src/commands), line by line.
fn strings(code: &str, doc_comments: bool) -> Vec<(usize, String)> {
    let code = code
        .split("#[cfg(test)]\nmod tests")
        .next()
        .unwrap_or_default();
    let mut out = Vec::new();
    let (mut line, mut at) = (1, 0);
    let bytes = code.as_bytes();
    while at < bytes.len() {
        let rest = &code[at..];
        if rest.starts_with("//") {
            let end = rest.find('\n').unwrap_or(rest.len());
            if doc_comments && rest.starts_with("/// ") {
                out.push((line, rest[..end].to_owned()));
            }
            at += end;
        } else if rest.starts_with("'\"'") {
            at += 3;
        } else if rest.starts_with("'\\\"'") {
            at += 4;
        } else if let Some(raw) = rest.strip_prefix("r#\"") {
            let end = raw.find("\"#").map_or(rest.len(), |n| n + 5);
            out.push((line, rest[..end].to_owned()));
            line += rest[..end].matches('\n').count();
            at += end;
        } else if rest.starts_with('"') {
            let mut end = 1;
            while end < rest.len() && rest.as_bytes()[end] != b'"' {
                end += if rest.as_bytes()[end] == b'\\' { 2 } else { 1 };
            }
            let text = &rest[..end];
            let words: Vec<&str> = text.split_whitespace().filter(|w| *w != "\\").collect();
            out.push((line, words.join(" ")));
            line += text.matches('\n').count();
            at += end + 1;
        } else {
            line += usize::from(bytes[at] == b'\n');
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    out
}

/// Whether a text has a phrase with no letter or digit around it.
fn says(text: &str, phrase: &str) -> bool {
    let (text, phrase) = (text.to_lowercase(), phrase.to_lowercase());
    text.match_indices(&phrase).any(|(at, _)| {
        let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !word(text[..at].chars().next_back()) && !word(text[at + phrase.len()..].chars().next())
    })
}

fn complaints(place: &str, line: usize, text: &str) -> Vec<String> {
    RETIRED
        .iter()
        .filter(|(word, _)| says(text, word) && !ALLOWED.iter().any(|a| text.contains(a)))
        .map(|(word, today)| format!("{place}:{line}: \"{word}\"; write \"{today}\""))
        .collect()
}

#[test]
fn no_retired_word_is_shown() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    files(&root.join("src"), "rs", &mut sources);
    assert!(sources.len() > 300, "{} files", sources.len());
    let (mut found, mut read) = (Vec::new(), 0);
    for path in &sources {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if name.ends_with("tests.rs") || name.contains("/tests/") || name.ends_with("testing.rs") {
            continue;
        }
        let help = name.starts_with("src/commands/");
        for (line, text) in strings(&fs::read_to_string(path).unwrap(), help) {
            read += 1;
            found.extend(complaints(&name, line, &text));
        }
    }
    assert!(read > 3000, "{read} strings");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_retired_word_is_written_in_the_pages() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    for (directory, extension) in [("docs", "md"), ("profiles", "toml"), ("examples", "toml")] {
        let before = pages.len();
        files(&root.join(directory), extension, &mut pages);
        assert!(pages.len() > before, "{directory}");
    }
    pages.retain(|page| !page.ends_with("glossary.md"));
    let mut found = Vec::new();
    for page in &pages {
        let name = page.strip_prefix(root).unwrap().display().to_string();
        for (index, line) in fs::read_to_string(page).unwrap().lines().enumerate() {
            found.extend(complaints(&name, index + 1, line));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn a_retired_word_is_found_where_it_stands() {
    let code =
        "// a picture\nlet a = '\"';\nlet b = \"two pictures \\\n    more\";\n/// One regime.\n";
    let found = |help| {
        strings(code, help)
            .iter()
            .flat_map(|(line, text)| complaints("x.rs", *line, text))
            .collect::<Vec<_>>()
    };
    assert_eq!(found(false), ["x.rs:3: \"pictures\"; write \"images\""]);
    assert_eq!(found(true).len(), 2);
    assert!(complaints("x.rs", 1, "picturesque").is_empty());
    assert!(complaints("x.rs", 1, "{train_pictures} images").is_empty());
}

/// Comments end by column 120, pages by column 100; tables, code and addresses are as wide as they are.
#[test]
fn lines_are_no_wider_than_agreed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wide = Vec::new();
    let mut sources = Vec::new();
    for directory in ["src", "tests"] {
        files(&root.join(directory), "rs", &mut sources);
    }
    let mut pages: Vec<PathBuf> = [
        "README.md",
        "CHANGELOG.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
    ]
    .map(|page| root.join(page))
    .to_vec();
    for directory in ["docs", "examples", "benches", "scripts", "checkpoints"] {
        files(&root.join(directory), "md", &mut pages);
    }
    let mut check = |path: &Path, most: usize, counts: &dyn Fn(&str) -> bool| {
        for (index, line) in fs::read_to_string(path).unwrap().lines().enumerate() {
            if counts(line) && line.chars().count() > most {
                let name = path.strip_prefix(root).unwrap().display();
                wide.push(format!("{name}:{}", index + 1));
            }
        }
    };
    for path in &sources {
        check(path, 120, &|line| line.trim_start().starts_with("//"));
    }
    for path in &pages {
        let in_code = std::cell::Cell::new(false);
        check(path, 100, &|line| {
            if line.starts_with("```") {
                in_code.set(!in_code.get());
            }
            !in_code.get() && !line.starts_with('|') && !line.contains("http")
        });
    }
    assert!(wide.is_empty(), "{}", wide.join("\n"));
}
