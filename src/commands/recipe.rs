//! From what somebody typed to a checked profile: a file, a preset or a run, with `--set` applied.

use std::path::Path;

use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::model::presets;
use crate::profile::{self, Profile, settings};
use crate::run::{Workspace, example};
use crate::{storage, text};

/// Finds and reads a profile: a file, a preset of the workspace, a built-in preset, or a run. `changes` are
/// `key=value`.
///
/// # Errors
/// `Input` naming the file, key or preset.
pub(super) fn find(workspace: &Workspace, what: &str, changes: &[String]) -> Result<Profile> {
    let (text, source) = read(workspace, what)?;
    let mut table = profile::parse_table(&text, &source)?;
    let before = match table.get("data") {
        Some(Value::Table(data)) => data.get("name").and_then(Value::as_str),
        _ => None,
    };
    let before = before.map_or_else(|| profile::Data::default().name, String::from);
    for change in changes {
        set(&mut table, change)?;
    }
    // The digest in a record is that of the weights it names, not of others.
    let sets = |key: &str| {
        let mut keys = changes.iter().filter_map(|s| s.split('=').next());
        keys.any(|set| set.trim() == key)
    };
    if sets("model.pretrained")
        && !sets("model.pretrained_sha256")
        && let Some(Value::Table(model)) = table.get_mut("model")
    {
        model.remove("pretrained_sha256");
    }
    if !sets("data.exclude_sha256") {
        settle_exclusions(&mut table, sets("data.exclude"), sets("data.name"));
    }
    let keys = changes.iter().filter_map(|s| s.split('=').next());
    let of_data: Vec<&str> = keys
        .filter_map(|key| key.trim().strip_prefix("data."))
        .collect();
    check_figures(&table, &of_data)?;
    profile::normalization::turn(&mut table, &before, &of_data);
    Profile::from_table(table, &source)
}

/// [`find`] for a look: a record of a newer format is read as far as it is understood.
///
/// # Errors
/// As [`find`].
pub(super) fn look(workspace: &Workspace, what: &str, settings: &[String]) -> Result<Profile> {
    if !settings.is_empty() {
        return find(workspace, what, settings);
    }
    let (text, source) = read(workspace, what)?;
    Profile::parse_record(&text, &source)
}

fn read(workspace: &Workspace, what: &str) -> Result<(String, String)> {
    let shown = text::sanitize(what);
    let path = &storage::expand_home(Path::new(what));
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
    if !workspace.candidates(what)?.is_empty() {
        let id = workspace.resolve(what)?;
        return Ok((
            read_file(&workspace.profile_path(&id))?,
            format!("{id}.toml"),
        ));
    }
    if what == example::ID {
        return Ok((example::RECORD.into(), example::ID.into()));
    }
    let names: Vec<&str> = presets::all().iter().map(|p| p.name).collect();
    let remedy = match text::nearest(what, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`fmtui show` lists all presets, `fmtui runs` all runs".into(),
    };
    Err(Error::input(
        format!("profile {shown}"),
        "is not a file, preset or run",
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

/// A record leaves out the images that its run left out: those on its list, or none. Where somebody chooses the images
/// anew, they are those on the list of now.
fn settle_exclusions(table: &mut Table, is_chosen: bool, is_other_set: bool) {
    let is_record = table.contains_key("run");
    let Some(Value::Table(data)) = table.get_mut("data") else {
        return;
    };
    if is_chosen || is_other_set {
        data.remove("exclude_sha256");
    } else if is_record && !data.contains_key("exclude_sha256") {
        data.insert("exclude".into(), Value::String("none".into()));
    }
}

/// A mean or deviation that is set is the one that is used: it goes with no other normalisation.
fn check_figures(recipe: &Table, set: &[&str]) -> Result<()> {
    let normalize = recipe
        .get("data")
        .and_then(|data| data.get("normalize")?.as_str());
    let given = set.iter().find(|key| ["mean", "std"].contains(key));
    match (given, normalize) {
        (Some(key), Some(normalize)) if set.contains(&"normalize") && normalize != "given" => {
            Err(Error::input(
                format!("data.{key}"),
                format!("is set, and data.normalize = \"{normalize}\" has its own"),
                "leave one of the two out",
            ))
        }
        _ => Ok(()),
    }
}

/// Applies `train.epochs=3` to a table. The value is TOML, or text without quotes where the setting is a text.
fn set(table: &mut Table, setting: &str) -> Result<()> {
    let (key, value) = setting.split_once('=').ok_or_else(|| {
        let remedy = "write it as train.epochs=3";
        Error::input(format!("--set {setting}"), "has no `=`", remedy)
    })?;
    let key = profile::current_key(key.trim());
    let value = settings::read(&key, value)?;
    let mut place = table;
    let mut keys = key.split('.').peekable();
    while let Some(key) = keys.next() {
        if keys.peek().is_none() {
            place.insert(key.into(), value);
            break;
        }
        let inside = place
            .entry(key)
            .or_insert_with(|| Value::Table(Table::new()));
        place = inside.as_table_mut().ok_or_else(|| {
            let remedy = format!("make it a table, [{key}]");
            Error::input(key, "is not a table in the profile", remedy)
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::settings::{Bounds, Kind, Scale, Setting};

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
            Normalize::Dataset
        );
        assert_eq!(data(&["data.name=mnist"]).normalize, Normalize::Dataset);
        let stated = data(&["data.name = mnist", "data.mean=0.1307", "data.std=0.3081"]);
        assert_eq!(stated.normalize, Normalize::Given);
        assert_eq!(stated.mean.unwrap().at(0), Some(0.1307));
        let one = data(&["data.name=mnist", "data.mean=0.1307"]);
        assert_eq!((one.normalize, one.std), (Normalize::Given, None));
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

    /// A value within the bounds, its place between them given as a share, or one of those to choose from.
    fn value(setting: &Setting, share: f64, number: usize) -> String {
        let within = |bounds: &Bounds| {
            let (low, high) = (bounds.low.max(1e-300), bounds.high);
            let value = match bounds.scale {
                Scale::Log => (low.ln() + share * (high.ln() - low.ln())).exp(),
                Scale::Linear => bounds.low + share * (high - bounds.low),
            };
            let is_count = setting.key == "data.validation" && value >= 1.0;
            let value = if bounds.is_whole || is_count {
                value.round()
            } else {
                value
            };
            value.clamp(bounds.low, high).to_string()
        };
        let texts = [
            "2026", "true", "1e3", "it's", "a b #c", "größer", "none", "x=1", "[a]",
        ];
        match &setting.kind {
            Kind::Number(bounds) => within(bounds),
            Kind::Numbers { most, each, .. } => vec![within(each); *most].join(", "),
            Kind::PerChannel(each) => vec![within(each); 1 + number % 4].join(", "),
            Kind::Factors(bounds) => format!("{{ layer1 = {} }}", within(bounds)),
            Kind::Among(values) => values[number % values.len()].to_string(),
            Kind::Choice(names) => names[number % names.len()].into(),
            Kind::Text { .. } => texts[number % texts.len()].into(),
            Kind::YesNo => ["true", "false"][number % 2].into(),
            Kind::Tables(_) if setting.key == "model.layers" => "[{ kind = 'flatten' }]".into(),
            Kind::Tables(_) => "[{ epoch = 3, freeze = 'none' }]".into(),
        }
    }

    /// The nearest values that are out of bounds, and what their refusal says.
    fn beyond(kind: &Kind) -> Vec<String> {
        let around = |bounds: &Bounds| -> Vec<String> {
            let (low, high) = (bounds.low, bounds.high);
            if bounds.is_whole {
                let outside = [low as i64 - 1, high as i64 + 1].map(|v| v.to_string());
                return [&outside[..], &["nan".into(), "1.5".into()]].concat();
            }
            let outside = match bounds.open {
                (true, true) => [low, high],
                (true, false) => [low, high.next_up()],
                (false, true) => [low.next_down(), high],
                (false, false) => [low.next_down(), high.next_up()],
            };
            let written = |v: f64| format!("{v:e}");
            outside
                .into_iter()
                .map(written)
                .chain(["nan".into()])
                .collect()
        };
        match kind {
            Kind::Number(bounds) => around(bounds),
            Kind::Numbers { most, each, .. } => {
                let all = |value: String| vec![value; *most].join(" ");
                let mut lists: Vec<_> = around(each).into_iter().map(all).collect();
                lists.push(vec!["1"; most + 1].join(" "));
                lists
            }
            Kind::PerChannel(each) => {
                let mut lists = around(each);
                lists.push("[]".into());
                lists.push(["1"; 5].join(" "));
                lists
            }
            Kind::Factors(bounds) => {
                let table = |value| format!("{{ layer1 = {value} }}");
                around(bounds).into_iter().map(table).collect()
            }
            Kind::Among(_) => vec!["2".into(), "one".into()],
            Kind::Choice(names) => vec![format!("{}x", names[0]), "12345678".into()],
            Kind::Text { longest, .. } => vec!["x".repeat(longest + 1), "a\u{1b}b".into()],
            Kind::YesNo => vec!["maybe".into(), "1".into()],
            Kind::Tables(_) => vec!["1".into(), "x".into()],
        }
    }

    /// With what some settings need beside them.
    fn recipe_with(setting: &Setting, text: &str) -> Result<Profile> {
        let own = format!("{}={text}", setting.key);
        let beside = [
            "data.split=pooled",
            "data.validation=0.1",
            "train.schedule.kind=step",
            "train.epochs=1000000",
            "train.optimizer.momentum=0.5",
        ];
        let mut changes: Vec<&str> = beside.to_vec();
        changes.retain(|change| !change.starts_with(&format!("{}=", setting.key)));
        // Without a curve nothing may be held out.
        changes.retain(|change| {
            setting.key != "train.curve" || !change.starts_with("data.validation")
        });
        changes.push(&own);
        preset("lenet5", &changes)
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]

        #[test]
        fn any_value_comes_back_from_the_recipe(share in 0.0..=1.0_f64, number in 0..1000_usize) {
            for setting in settings::ALL {
                // 0 and 1 themselves are out of open bounds.
                let share = share.clamp(1e-9, 1.0 - 1e-9);
                let text = value(setting, share, number);
                let profile = recipe_with(setting, &text)
                    .unwrap_or_else(|refused| panic!("{}={text}: {refused}", setting.key));
                let mut other = Profile::new("mlp");
                setting.put(&mut other, setting.read(&text).unwrap()).unwrap();
                assert_eq!(setting.show(&profile), setting.show(&other));
                // And from its file.
                let written = Profile::parse(&profile.to_toml(), "x").unwrap();
                assert_eq!(written, profile, "{}", setting.key);
            }
        }
    }

    #[test]
    fn what_is_just_out_of_bounds_is_refused_with_them() {
        for setting in settings::ALL {
            for text in beyond(&setting.kind) {
                let refused = recipe_with(setting, &text).unwrap_err().to_string();
                assert!(refused.starts_with(setting.key), "{text}: {refused}");
                let bounds = match setting.kind {
                    Kind::Numbers { each: bounds, .. } | Kind::Factors(bounds) => bounds.range(),
                    Kind::Choice(_) => setting.kind.choices()[0].into(),
                    Kind::Text { longest, .. } => longest.to_string(),
                    _ => setting.expected(),
                };
                assert!(refused.contains(&bounds), "{text}: {refused}");
            }
        }
    }

    /// Of Rust's types nobody hears, whatever is of the wrong kind wherever in a recipe.
    #[test]
    fn what_is_of_the_wrong_kind_is_refused_in_words() {
        let types = [
            "usize",
            "f64",
            "i64",
            "u64",
            "struct",
            "enum",
            "bool",
            "invalid type",
        ];
        let plain = |refused: &str| {
            let named = types.iter().find(|name| refused.contains(**name));
            assert!(named.is_none() && !refused.contains('\n'), "{refused}");
        };
        let source = Profile::new("custom").to_toml().parse::<Table>().unwrap();
        let wrong = [
            "true",
            "-3",
            "2.5",
            "'x'",
            "[[]]",
            "{ a = 1 }",
            "1979-05-27",
            "[{ kind = 3 }]",
        ];
        let mut count = 0;
        for setting in settings::ALL {
            for value in wrong {
                let mut table = source.clone();
                let text = format!("value = {value}").parse::<Table>().unwrap();
                let (mut place, mut parts) = (&mut table, setting.key.split('.').peekable());
                while let Some(part) = parts.next() {
                    if parts.peek().is_none() {
                        place.insert(part.into(), text["value"].clone());
                        break;
                    }
                    let inside = place
                        .entry(part)
                        .or_insert_with(|| Value::Table(Table::new()));
                    place = inside.as_table_mut().unwrap();
                }
                if let Err(refused) = Profile::from_table(table, "x") {
                    count += 1;
                    plain(&refused.to_string());
                }
            }
        }
        assert!(count > 300, "{count}");
        for layer in [
            "{ kind = 'linear', out_features = 'x' }",
            "{ kind = 'linear', out_features = -1 }",
            "{ kind = 'linear', out_features = 2.5 }",
            "{ kind = 'dropout', p = 'x' }",
            "{ kind = 'residual', layers = 3 }",
            "{ kind = 'linear', out_features = [1] }",
            "3",
            "{ kind = 'flat' }",
            "{ kind = 3 }",
            "{}",
        ] {
            let text = format!("[model]\narchitecture = 'custom'\nlayers = [{layer}]\n");
            let refused = Profile::parse(&text, "x").unwrap_err().to_string();
            assert!(refused.starts_with("x: model.layers"), "{layer}: {refused}");
            plain(&refused);
        }
        let unfreeze =
            "[model]\narchitecture = 'mlp'\nunfreeze = [{ epoch = 'x', freeze = 'none' }]\n";
        let refused = Profile::parse(unfreeze, "x").unwrap_err().to_string();
        assert_eq!(
            refused,
            "x: model.unfreeze.epoch is \"x\"; give a whole number from 0 on"
        );
    }

    #[test]
    fn wrong_settings_are_named() {
        for (setting, part) in [
            ("train.epoch=3", "did you mean `train.epochs`?"),
            ("train.epochs", "has no `=`"),
            ("=3", "the setting is not a known key"),
            ("train..epochs=3", "train..epochs is not a known key"),
            ("format.x=3", "is written by runs"),
            ("run.id=3", "is written by runs"),
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
        assert!(message.starts_with("profile no/such.toml cannot be read"));
    }
}
