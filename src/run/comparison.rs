//! Several runs side by side: their figures, and the settings in which they differ. Told by the Runs tab and `fmtui compare`.

use std::collections::BTreeMap;

use crate::profile::{EpochRecord, Profile};
use crate::text;

/// How many runs can be told apart.
pub const MOST: usize = 5;

/// The setting that holds weights to what they were.
const DIGEST: &str = "model.pretrained_sha256";

/// What is compared: a cell for each run.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub name: String,
    pub cells: Vec<String>,
    /// The runs with the best of these figures, where one is better than another.
    pub best: Vec<usize>,
}

/// How a run came by its weights: `scratch`, `fine-tune`, `gradual` where layers were set free by and by, or `frozen` with
/// what is.
#[must_use]
pub fn regime(profile: &Profile) -> String {
    let model = &profile.model;
    match (model.pretrained.is_empty(), model.freeze.as_str()) {
        _ if !model.unfreeze.is_empty() => "gradual".into(),
        (true, "" | "none") => "scratch".into(),
        (false, "" | "none") => "fine-tune".into(),
        (_, "backbone") => "frozen".into(),
        (_, stage) => format!("frozen to {}", text::sanitize(stage)),
    }
}

/// What the curves of these runs are drawn on.
#[must_use]
pub fn curve(runs: &[&Profile]) -> &'static str {
    let on_test = |run: &&Profile| run.data.validation == 0.0;
    match (runs.iter().all(on_test), runs.iter().any(on_test)) {
        (true, _) => "test",
        (false, false) => "validation",
        (false, true) => "held-out",
    }
}

/// A run's letter.
#[must_use]
pub fn letter(index: usize) -> char {
    ['A', 'B', 'C', 'D', 'E'][index % MOST]
}

/// Test accuracy of a finished run.
#[must_use]
pub fn test_accuracy(profile: &Profile) -> Option<f64> {
    let test = profile.result.as_ref()?.test.as_ref()?;
    Some(test.accuracy)
}

/// Accuracy on the training pictures, and how far the held-out one lies below it: of the weights that were kept, while there
/// are none of the last epoch.
#[must_use]
pub fn training_and_gap(profile: &Profile) -> Option<(f64, f64)> {
    let of_result = || profile.result.as_ref()?.training_and_held_out();
    let of_epoch = || {
        let last = profile.history.last()?;
        Some((last.train_accuracy, last.held_out_accuracy))
    };
    let (train, held_out) = of_result().or_else(of_epoch)?;
    Some((train, train - held_out))
}

/// Training time so far. **Units** seconds.
#[must_use]
pub fn seconds(profile: &Profile) -> Option<f64> {
    match &profile.result {
        Some(result) => Some(result.seconds),
        None if profile.history.is_empty() => None,
        None => Some(profile.history.iter().map(|e| e.seconds).sum()),
    }
}

/// The best held-out accuracy of all epochs.
#[must_use]
pub fn best_held_out(profile: &Profile) -> Option<f64> {
    let all = profile.history.iter().map(|e| e.held_out_accuracy);
    all.max_by(f64::total_cmp)
}

/// What came out, a row a figure.
#[must_use]
pub fn figures(runs: &[&Profile]) -> Vec<Row> {
    let words = |name: &str, of: &dyn Fn(&Profile) -> String| Row {
        name: name.into(),
        cells: runs.iter().map(|run| of(run)).collect(),
        best: Vec::new(),
    };
    let numbers = |name: &str,
                   sign: f64,
                   of: &dyn Fn(&Profile) -> Option<f64>,
                   show: &dyn Fn(f64) -> String| {
        let values: Vec<Option<f64>> = runs.iter().map(|run| of(run)).collect();
        Row {
            name: name.into(),
            cells: values.iter().map(|v| v.map_or_else(dash, show)).collect(),
            best: best(&values, sign),
        }
    };
    let percent = |v: f64| text::percent(v);
    vec![
        words("regime", &regime),
        numbers("test accuracy", 1.0, &test_accuracy, &percent),
        numbers("best epoch", 1.0, &best_held_out, &percent),
        numbers(
            "macro F1",
            1.0,
            &|p| Some(p.result.as_ref()?.test.as_ref()?.macro_f1),
            &|v| format!("{v:.3}"),
        ),
        numbers(
            "train accuracy",
            0.0,
            &|p| training_and_gap(p).map(|(train, _)| train),
            &percent,
        ),
        numbers(
            "gap",
            // A small one is no merit of a network that learns little.
            0.0,
            &|p| training_and_gap(p).map(|(_, gap)| gap),
            &|v| format!("{:+.1} points", 100.0 * v),
        ),
        words("weights trained", &weights),
        words("epochs", &|p| p.history.len().to_string()),
        numbers("time", -1.0, &seconds, &text::seconds),
        numbers("an epoch", -1.0, &typical_epoch, &|v| {
            if v < 10.0 {
                format!("{v:.2} s")
            } else {
                text::seconds(v)
            }
        }),
    ]
}

/// Every setting in which the runs differ.
#[must_use]
pub fn differences(runs: &[&Profile]) -> Vec<Row> {
    let settings: Vec<BTreeMap<String, String>> = runs.iter().map(|run| flatten(run)).collect();
    let row = |name: &String| Row {
        name: name.clone(),
        cells: settings
            .iter()
            .map(|s| s.get(name).cloned().unwrap_or_else(dash))
            .collect(),
        best: Vec::new(),
    };
    let mut keys = differing(&settings);
    // A digest says nothing that other names of weights do not.
    let same = |key: &str, a: usize, b: usize| settings[a].get(key) == settings[b].get(key);
    let pairs = || (0..runs.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    if pairs().all(|(a, b)| same(DIGEST, a, b) || !same("model.pretrained", a, b)) {
        keys.retain(|key| key != DIGEST);
    }
    keys.iter().map(row).collect()
}

fn dash() -> String {
    "–".into()
}

/// Where the best values are, the largest with a `sign` of 1, the least with −1; nowhere while not all are known or all are alike,
/// or with 0.
fn best(values: &[Option<f64>], sign: f64) -> Vec<usize> {
    if sign == 0.0 {
        return Vec::new();
    }
    let known: Vec<f64> = values.iter().flatten().map(|v| v * sign).collect();
    let most = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let is_best = |v: &f64| v.to_bits() == most.to_bits();
    if known.len() < values.len() || known.iter().all(is_best) {
        return Vec::new();
    }
    (0..known.len()).filter(|i| is_best(&known[*i])).collect()
}

/// How many weights were trained, and of how many where that is not all.
fn weights(profile: &Profile) -> String {
    match &profile.result {
        // Older records do not tell them apart.
        Some(r) if [0, r.parameters].contains(&r.trained_parameters) && r.parameters > 0 => {
            text::grouped(r.parameters)
        }
        Some(r) if r.parameters > 0 => format!(
            "{} of {}",
            text::grouped(r.trained_parameters),
            text::short_count(r.parameters)
        ),
        _ => dash(),
    }
}

/// The median of the epochs' training times.
fn typical_epoch(profile: &Profile) -> Option<f64> {
    let mut all: Vec<f64> = profile
        .history
        .iter()
        .map(|e: &EpochRecord| e.seconds)
        .collect();
    all.sort_by(f64::total_cmp);
    all.get(all.len() / 2).copied()
}

/// The recipe as `train.optimizer.learning_rate` → `0.001`.
fn flatten(profile: &Profile) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    if let Ok(value) = toml::Value::try_from(profile.recipe()) {
        walk("", &value, &mut out);
    }
    out.remove("name");
    out
}

fn walk(path: &str, value: &toml::Value, out: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                walk(&path, value, out);
            }
        }
        toml::Value::Array(items) if items.iter().any(toml::Value::is_table) => {
            let what = if path == "model.unfreeze" {
                "step"
            } else {
                "layer"
            };
            out.insert(path.to_string(), text::count(items.len(), what));
        }
        toml::Value::String(text) => {
            out.insert(path.to_string(), text::sanitize(text));
        }
        other => {
            out.insert(path.to_string(), text::sanitize(&other.to_string()));
        }
    }
}

/// Keys whose values are not the same everywhere.
fn differing(settings: &[BTreeMap<String, String>]) -> Vec<String> {
    let mut keys: Vec<&String> = settings.iter().flat_map(BTreeMap::keys).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|key| {
            settings
                .windows(2)
                .any(|pair| pair[0].get(*key) != pair[1].get(*key))
        })
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Scores;
    use crate::profile::{ResultRecord, Unfreeze};

    fn run(pretrained: &str, freeze: &str, test: f64, seconds: f64) -> Profile {
        let mut profile = Profile::new("resnet20");
        profile.model.pretrained = pretrained.into();
        profile.model.freeze = freeze.into();
        let epoch = |epoch, held_out_accuracy, seconds| EpochRecord {
            epoch,
            held_out_accuracy,
            seconds,
            ..EpochRecord::default()
        };
        profile.history = vec![epoch(1, test - 0.1, 9.0), epoch(2, test, 1.0)];
        let scores = |accuracy| Scores {
            accuracy,
            macro_f1: accuracy,
            ..Scores::default()
        };
        profile.result = Some(ResultRecord {
            parameters: 1000,
            trained_parameters: if freeze.is_empty() { 1000 } else { 10 },
            seconds,
            train: Some(scores(test + 0.05)),
            test: Some(scores(test)),
            ..ResultRecord::default()
        });
        profile
    }

    #[test]
    fn regimes_have_their_names() {
        for (pretrained, freeze, name) in [
            ("", "", "scratch"),
            ("a.pth", "none", "fine-tune"),
            ("a.pth", "backbone", "frozen"),
            ("run:x", "layer2", "frozen to layer2"),
        ] {
            assert_eq!(regime(&run(pretrained, freeze, 0.5, 1.0)), name);
        }
        let mut gradual = run("a.pth", "backbone", 0.5, 1.0);
        gradual.model.unfreeze = vec![Unfreeze {
            epoch: 2,
            freeze: "none".into(),
        }];
        assert_eq!(regime(&gradual), "gradual");
    }

    #[test]
    fn figures_stand_side_by_side_and_the_best_is_known() {
        let (a, b) = (run("", "", 0.8, 100.0), run("a.pth", "backbone", 0.9, 50.0));
        let rows = figures(&[&a, &b]);
        let row = |name: &str| {
            let row = rows.iter().find(|row| row.name == name).unwrap();
            (row.cells.join(" | "), row.best.clone())
        };
        assert_eq!(row("regime"), ("scratch | frozen".into(), vec![]));
        assert_eq!(row("test accuracy"), ("80.0 % | 90.0 %".into(), vec![1]));
        assert_eq!(row("gap"), ("+5.0 points | +5.0 points".into(), vec![]));
        assert!(best(&[Some(-1.0), Some(2.0)], 0.0).is_empty());
        assert_eq!(row("weights trained").0, "1,000 | 10 of 1,000");
        assert_eq!(row("time").1, [1]);
        let unfinished = Profile::new("resnet20");
        let rows = figures(&[&a, &unfinished]);
        assert_eq!(rows[1].cells, ["80.0 %", "–"]);
        assert!(rows[1].best.is_empty());
    }

    #[test]
    fn only_differences_are_listed() {
        let a = Profile::new("mlp");
        let mut b = Profile::new("mlp");
        b.name = "another".into();
        b.train.optimizer.learning_rate = 0.01;
        b.model.hidden = vec![50, 20];
        let settings = [flatten(&a), flatten(&b)];
        assert_eq!(
            differing(&settings),
            ["model.hidden", "train.optimizer.learning_rate"]
        );
        assert_eq!(settings[1]["model.hidden"], "[50, 20]");
        assert!(differing(&[flatten(&a), flatten(&a)]).is_empty());

        let weights = |name: &str, digest: &str| {
            let mut profile = Profile::new("resnet20");
            profile.model.pretrained = name.into();
            profile.model.pretrained_sha256 = digest.into();
            profile
        };
        let (none, one, two) = (weights("", ""), weights("a.th", "1"), weights("b.th", "2"));
        let listed = |runs: &[&Profile]| -> Vec<String> {
            differences(runs).into_iter().map(|row| row.name).collect()
        };
        assert_eq!(listed(&[&none, &one, &two]), ["model.pretrained"]);
        assert_eq!(
            listed(&[&none, &one, &weights("a.th", "3")]),
            ["model.pretrained", DIGEST]
        );
    }
}
