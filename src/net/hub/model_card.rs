//! What a repository's card says of licence and data: a few lines of the YAML before its text.

use crate::text;

/// Longest card that is read.
pub(super) const LONGEST: u64 = 256 << 10;

/// The licence and the data sets that a card names; empty where it does not.
#[must_use]
pub(super) fn read(card: &str) -> (String, Vec<String>) {
    let (mut licence, mut datasets) = (String::new(), Vec::new());
    let mut lines = card.lines();
    if lines.next().map(str::trim_end) != Some("---") {
        return (licence, datasets);
    }
    let mut key = "";
    for line in lines.take_while(|line| line.trim_end() != "---").take(1000) {
        if let Some(item) = line.trim_start().strip_prefix("- ") {
            if key == "datasets" {
                datasets.push(value(item));
            }
            continue;
        }
        let Some((name, rest)) = line.split_once(':') else {
            continue;
        };
        key = name;
        match name {
            "license" => licence = value(rest),
            "datasets" => {
                let inline = rest.trim().trim_matches(['[', ']']);
                datasets.extend(inline.split(',').map(value));
            }
            _ => {}
        }
    }
    datasets.retain(|name| !name.is_empty());
    datasets.truncate(5);
    (licence, datasets)
}

fn value(text: &str) -> String {
    let text = text.trim().trim_matches(['"', '\'']);
    text::sanitize(&text::ellipsis(text, 80))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licence_and_data_are_read() {
        let card = "---\ntags:\n- image-classification\n- timm\nlicense: bsd-3-clause\ndatasets:\n- imagenet-1k\n---\n# Model\nlicense: mit\n";
        assert_eq!(
            read(card),
            ("bsd-3-clause".into(), vec!["imagenet-1k".into()])
        );
        let inline = "---\ndatasets: [cifar10, \"mnist\"]\nlicense: 'mit'\n---\n";
        assert_eq!(
            read(inline),
            ("mit".into(), vec!["cifar10".into(), "mnist".into()])
        );
        for other in ["", "license: mit", "---\n", "---\nlicense:\n---"] {
            assert_eq!(read(other), (String::new(), vec![]), "{other}");
        }
        let hostile = format!("---\nlicense: {}\u{1b}[2J\n---", "x".repeat(500));
        assert!(read(&hostile).0.chars().count() <= 80 && !read(&hostile).0.contains('\u{1b}'));
    }
}
