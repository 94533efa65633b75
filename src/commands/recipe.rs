//! From what somebody typed to a checked profile: a file, a preset or a run, with `--set` applied.

use std::path::Path;

use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::model::presets;
use crate::profile::{self, Profile};
use crate::run::Workspace;
use crate::{storage, text};

/// Finds and reads a profile: a file, a preset of the workspace, a built-in preset, or a run. `settings` are `key=value`.
///
/// # Errors
/// `Input` naming the file, key or preset.
pub fn find(workspace: &Workspace, what: &str, settings: &[String]) -> Result<Profile> {
    let (text, source) = read(workspace, what)?;
    let mut table = profile::parse_table(&text, &source)?;
    let before = match table.get("data") {
        Some(Value::Table(data)) => data.get("name").and_then(Value::as_str),
        _ => None,
    };
    let before = before.map_or_else(|| profile::Data::default().name, String::from);
    for setting in settings {
        set(&mut table, setting)?;
    }
    // The digest in a record is that of the weights it names, not of others.
    let sets = |key: &str| {
        let mut keys = settings.iter().filter_map(|s| s.split('=').next());
        keys.any(|set| set.trim() == key)
    };
    if sets("model.pretrained")
        && !sets("model.pretrained_sha256")
        && let Some(Value::Table(model)) = table.get_mut("model")
    {
        model.remove("pretrained_sha256");
    }
    profile::normalization::turn(&mut table, &before, |key| sets(&format!("data.{key}")));
    Profile::from_table(table, &source)
}

/// [`find`] for a look: a record of a newer format is read as far as it is understood.
///
/// # Errors
/// As [`find`].
pub fn look(workspace: &Workspace, what: &str, settings: &[String]) -> Result<Profile> {
    if !settings.is_empty() {
        return find(workspace, what, settings);
    }
    let (text, source) = read(workspace, what)?;
    Profile::parse_record(&text, &source)
}

fn read(workspace: &Workspace, what: &str) -> Result<(String, String)> {
    let shown = text::sanitize(what);
    let path = Path::new(what);
    if storage::is_there(path)
        || what.contains('/')
        || path.extension().is_some_and(|e| e == "toml")
    {
        return Ok((read_file(path)?, shown));
    }
    let plain = what.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let own = workspace.presets_dir().join(format!("{what}.toml"));
    if plain && storage::is_there(&own) {
        return Ok((read_file(&own)?, format!("{shown}.toml")));
    }
    if let Some(preset) = presets::find(what) {
        return Ok((preset.toml.into(), format!("preset {shown}")));
    }
    if let Ok(id) = workspace.resolve(what) {
        return Ok((
            read_file(&workspace.profile_path(&id))?,
            format!("{id}.toml"),
        ));
    }
    let names: Vec<&str> = presets::all().iter().map(|p| p.name).collect();
    let remedy = match text::nearest(what, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("give a file or one of: {}", names.join(", ")),
    };
    Err(Error::input(
        format!("profile {shown}"),
        "is no file, no preset and no run",
        remedy,
    ))
}

fn read_file(path: &Path) -> Result<String> {
    storage::read_text(path, profile::LONGEST).map_err(|e| {
        Error::input(
            format!("profile {}", path.display()),
            format!("cannot be read: {e}"),
            "give a profile's path, or the name of a preset",
        )
    })
}

/// Applies `train.epochs=3` to a table. The value is TOML; what is not TOML is taken as text.
fn set(table: &mut Table, setting: &str) -> Result<()> {
    let refuse = |problem: &str| {
        Error::input(
            format!("--set {setting}"),
            problem,
            "write it as train.epochs=3",
        )
    };
    let (key, value) = setting
        .split_once('=')
        .ok_or_else(|| refuse("has no `=`"))?;
    let key = profile::current_key(key.trim());
    let path: Vec<&str> = key.split('.').collect();
    let Some((name, parents)) = path
        .split_last()
        .filter(|_| path.iter().all(|p| is_bare(p)))
    else {
        return Err(refuse("does not start with a key"));
    };
    if matches!(path[0], "run" | "result" | "history") {
        return Err(refuse("names what only a run writes"));
    }
    let mut place = table;
    for parent in parents {
        place = place
            .entry(*parent)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| refuse("goes through a key that is no table"))?;
    }
    place.insert((*name).into(), parse_value(value.trim()));
    Ok(())
}

fn is_bare(key: &str) -> bool {
    !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

fn parse_value(text: &str) -> Value {
    format!("value = {text}")
        .parse::<Table>()
        .ok()
        .filter(|t| t.len() == 1)
        .and_then(|mut t| t.remove("value"))
        .unwrap_or_else(|| Value::String(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preset(name: &str, settings: &[&str]) -> Result<Profile> {
        let dir = tempfile::tempdir().unwrap();
        let settings: Vec<String> = settings.iter().map(|s| (*s).to_string()).collect();
        find(&Workspace::at(dir.path()), name, &settings)
    }

    #[test]
    fn settings_change_what_they_name() {
        let profile = preset(
            "mlp-20",
            &[
                "train.epochs=3",
                "train.optimizer.learning_rate = 0.5",
                "model.hidden=[20, 30]",
                "data.name=fashion-mnist-mini",
                "train.schedule.kind=cosine",
                "data.validation=0",
            ],
        )
        .unwrap();
        assert_eq!(profile.train.epochs, 3);
        assert!((profile.train.optimizer.learning_rate - 0.5).abs() < 1e-12);
        assert_eq!(profile.model.hidden, [20, 30]);
        assert_eq!(profile.data.name, "fashion-mnist-mini");
        assert!(profile.data.validation.abs() < 1e-12);
    }

    #[test]
    fn another_data_set_has_another_mean() {
        use crate::profile::Normalize;
        let data = |settings: &[&str]| preset("lenet5", settings).unwrap().data;
        assert_eq!(
            data(&["data.name=fashion-mnist-mini"]).normalize,
            Normalize::Given
        );
        assert_eq!(data(&["data.name=mnist"]).normalize, Normalize::Computed);
        let stated = data(&["data.name = mnist", "data.mean=0.1307", "data.std=0.3081"]);
        assert_eq!(stated.normalize, Normalize::Given);
        assert!((stated.mean - 0.1307).abs() < 1e-12);
        let one = preset("lenet5", &["data.name=mnist", "data.mean=0.1307"]).unwrap_err();
        assert!(one.to_string().contains("data.std: is missing"), "{one}");
    }

    #[test]
    fn other_weights_have_another_digest() {
        let dir = tempfile::tempdir().unwrap();
        let mut profile = Profile::new("resnet20");
        profile.model.pretrained = "a.pth".into();
        profile.model.pretrained_sha256 = "0".repeat(64);
        let path = dir.path().join("p.toml");
        std::fs::write(&path, profile.to_toml()).unwrap();
        let workspace = Workspace::at(dir.path());
        let digest = |settings: &[&str]| {
            let settings: Vec<String> = settings.iter().map(|s| (*s).to_string()).collect();
            let found = find(&workspace, path.to_str().unwrap(), &settings).unwrap();
            found.model.pretrained_sha256.len()
        };
        assert_eq!(digest(&["train.epochs=3"]), 64);
        assert_eq!(digest(&["model.pretrained=b.pth"]), 0);
    }

    #[test]
    fn wrong_settings_are_named() {
        for (setting, part) in [
            ("train.epoch=3", "did you mean `epochs`?"),
            ("train.epochs", "has no `=`"),
            ("=3", "does not start with a key"),
            ("train..epochs=3", "does not start with a key"),
            ("format.x=3", "no table"),
            ("run.id=3", "only a run writes"),
            ("train.epochs=0", "train.epochs"),
            ("train.epochs=many", "train.epochs"),
            ("train.optimizer.learning_rate=nan", "learning_rate"),
        ] {
            let message = preset("mlp-20", &[setting]).unwrap_err().to_string();
            assert!(message.contains(part), "{setting}: {message}");
            assert!(!message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn unknown_names_are_answered_with_near_ones() {
        let message = preset("lenet6", &[]).unwrap_err().to_string();
        assert!(message.contains("did you mean `lenet5`?"), "{message}");
        let message = preset("no/such.toml", &[]).unwrap_err().to_string();
        assert!(message.starts_with("profile no/such.toml: cannot be read"));
    }
}
