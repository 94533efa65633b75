//! The table of settings for readers: the comments of a recipe, and docs/profile.md.

use super::{Setting, find};

/// A recipe's TOML with a line above every key that says what it means and takes. What a run wrote follows as it is.
#[must_use]
pub(crate) fn commented(toml: &str) -> String {
    let mut out = String::with_capacity(4 * toml.len());
    let mut table = String::new();
    let mut is_recipe = true;
    for line in toml.lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_end_matches(']').to_owned() + ".";
            is_recipe &= !["run]", "result]", "[history]]"].contains(&name);
        }
        let key = line.split_once(" = ").map(|(key, _)| table.clone() + key);
        if let Some(setting) = key.and_then(|key| find(&key)).filter(|_| is_recipe) {
            out.extend(["# ", setting.help, " (", &setting.with_unit(), ")\n"]);
        }
        out.extend([line, "\n"]);
    }
    out
}

impl Setting {
    /// What it takes, with its unit.
    fn with_unit(&self) -> String {
        let unit = if self.unit.is_empty() { "" } else { ", in " };
        format!("{}{unit}{}", self.expected(), self.unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;
    use crate::profile::settings::{TABLES, of_table};

    #[test]
    fn comments_change_nothing() {
        let record = include_str!("../../../tests/support/run-0.1/record.toml");
        let mut mlp = Profile::new("mlp");
        mlp.model.hidden = vec![100, 50];
        mlp.model.activation = Some(crate::layers::Activation::Relu);
        mlp.model.unfreeze = vec![crate::profile::Unfreeze {
            epoch: 2,
            freeze: "none".into(),
        }];
        mlp.train.lr_multipliers.insert("backbone".into(), 0.5);
        for profile in [mlp, Profile::parse(record, "record").unwrap()] {
            let text = profile.to_toml();
            let commented = commented(&text);
            assert_eq!(Profile::parse(&commented, "x").unwrap(), profile);
            let plain = |line: &&str| !line.starts_with("# ");
            let lines: Vec<&str> = commented.lines().filter(plain).collect();
            assert_eq!(lines, text.lines().collect::<Vec<_>>());
            let about = "# images per step (a whole number from 1 to 65,536, in images)\n";
            assert!(commented.contains(&format!("{about}batch_size = ")));
            let (_, of_run) = commented.split_once("[run]").unwrap_or_default();
            assert!(!of_run.contains("# "), "{of_run}");
        }
    }

    /// The reference of all keys, as docs/profile.md has it.
    fn reference() -> String {
        let mut out = String::from(
            "# Settings of a profile\n\n\
             Every key of a recipe, as in the file and for `--set KEY=VALUE`. A key that is left out has its\n\
             default; an unknown key is refused. `fmtui show lenet5 --toml` prints a recipe with these\n\
             explanations. The layers of a `custom` network are in [layers.md](layers.md).\n\n\
             This page is generated from `src/profile/settings/table.rs` by\n\
             `FMTUI_RECORD=1 cargo test settings::docs`.\n",
        );
        let usual = Profile::new("");
        for (table, about) in TABLES {
            let heading = match table {
                "" => "At the top".into(),
                table => format!("`[{table}]`: {about}"),
            };
            let columns = "| key | value | default | |\n|---|---|---|---|\n";
            out.extend(["\n## ", &heading, "\n\n", columns]);
            for setting in of_table(table) {
                let default = match (setting.key, setting.show(&usual)) {
                    ("model.architecture", _) => "must be given".into(),
                    (_, shown) if shown.is_empty() => "empty".into(),
                    (_, shown) => format!("`{shown}`"),
                };
                let (key, takes) = (setting.name(), setting.with_unit());
                let row = format!("| `{key}` | {takes} | {default} | {} |\n", setting.help);
                out.push_str(&row);
            }
        }
        out
    }

    #[test]
    fn the_reference_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/profile.md");
        if std::env::var_os("FMTUI_RECORD").is_some() {
            std::fs::write(path, reference()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        let hint = "FMTUI_RECORD=1 cargo test settings::docs writes it anew";
        assert!(
            written == reference(),
            "docs/profile.md is not current: {hint}"
        );
    }
}
