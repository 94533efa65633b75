//! What is known of the weights that a profile begins with, for people: who made them, of what, and where they lie.

use std::path::Path;

use super::{Workspace, pretrained};
use crate::error::Result;
use crate::model::pretrained::catalog;
use crate::net::hub::Source;
use crate::profile::{Model, Profile};
use crate::text;

/// Lines of a card: what, and what it is. Empty where a profile starts from random weights.
pub(crate) type Card = Vec<(&'static str, String)>;

/// The card of the weights that `model.pretrained` names. Reads no more than it must; whatever is not known is left
/// out.
#[must_use]
pub(crate) fn card(workspace: &Workspace, model: &Model) -> Card {
    let mut card = Card::new();
    if model.pretrained.is_empty() {
        return card;
    }
    let known = catalog::known(&model.pretrained);
    if let Some(known) = known {
        card.push(("trained by", known.trained_by.into()));
        card.push(("trained on", known.trained_on.into()));
        card.push(("licence", known.licence.into()));
    }
    if let Some(run) = model.pretrained.strip_prefix(pretrained::RUN)
        && let Ok(profile) = workspace.resolve(run).and_then(|id| workspace.load(&id))
    {
        card.extend(of_run(&profile));
    }
    let found = match pretrained::cached(workspace, model) {
        Some(cached) => {
            card.extend(of_source(&cached.source, known.is_some()));
            Ok(Some(cached.path))
        }
        None => pretrained::find(workspace, model),
    };
    if let (Some(known), Err(_)) = (known, &found) {
        let part = if pretrained::takes_part(model) {
            "; only the convolutions are downloaded"
        } else {
            ""
        };
        card.push(("size", format!("about {}{part}", text::bytes(known.bytes))));
    }
    if found.is_err() && pretrained::is_on_hub(model) {
        card.push(("lies", "on the hub; downloaded when a run starts".into()));
    } else {
        card.extend(place(found));
    }
    for (_, words) in &mut card {
        *words = text::sanitize(words);
    }
    card
}

fn of_source(source: &Source, is_known: bool) -> Card {
    let mut card = Card::new();
    if !is_known && !source.datasets.is_empty() {
        card.push(("trained on", source.datasets.join(", ")));
    }
    if !is_known && !source.licence.is_empty() {
        card.push(("licence", source.licence.clone()));
    }
    let what = if source.part.is_empty() {
        String::new()
    } else {
        format!(", {}* alone", source.part)
    };
    card.push((
        "commit",
        format!("{} of {}{what}", source.commit, source.repository),
    ));
    card.push((
        "SHA-256",
        format!("{}, {}", source.sha256, source.verified()),
    ));
    card
}

fn of_run(profile: &Profile) -> Card {
    let run = profile.run.clone().unwrap_or_default();
    let test = profile.result.as_ref().and_then(|r| r.test.as_ref());
    let accuracy = test.map_or(String::new(), |t| {
        format!(", {} correct on its test set", text::percent(t.accuracy))
    });
    vec![
        ("trained by", format!("run {}, {}", run.id, run.started)),
        ("trained on", format!("{}{accuracy}", profile.data.name)),
    ]
}

/// How large the file is and where it lies, or what is wrong.
fn place(found: Result<Option<std::path::PathBuf>>) -> Card {
    let size = |path: &Path| path.metadata().map(|m| text::bytes(m.len()));
    match found {
        Ok(None) => Card::new(),
        Ok(Some(path)) => {
            let mut card = Card::new();
            if let Ok(size) = size(&path) {
                card.push(("size", size));
            }
            card.push(("file", path.display().to_string()));
            card
        }
        Err(error) => vec![("not found", error.to_string())],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(workspace: &Workspace, pretrained: &str) -> String {
        let mut model = Profile::new("resnet20").model;
        model.pretrained = pretrained.into();
        let lines = card(workspace, &model);
        let lines: Vec<String> = lines
            .iter()
            .map(|(what, is)| format!("{what}: {is}"))
            .collect();
        lines.join("\n")
    }

    #[test]
    fn what_is_known_of_a_file_and_where_it_lies() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(dir.path());
        assert_eq!(shown(&workspace, ""), "");
        let name = "resnet20-12fca82f.th";
        let absent = shown(&workspace, name);
        assert!(
            absent.contains("licence: BSD-2-Clause\nsize: about 1 MiB\nnot found: "),
            "{absent}"
        );
        std::fs::create_dir(workspace.weights_dir()).unwrap();
        std::fs::write(workspace.weights_dir().join(name), [0; 2048]).unwrap();
        let here = shown(&workspace, name);
        assert!(
            here.contains("licence: BSD-2-Clause\nsize: 2 KiB\nfile: "),
            "{here}"
        );
        let other = shown(&workspace, "no\u{1b}[2J.pth");
        assert!(
            other.starts_with("not found: model.pretrained: there is no file")
                && !other.contains('\u{1b}'),
            "{other}"
        );
    }
}
