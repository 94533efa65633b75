//! Several runs side by side: their figures, and the settings in which they differ. Told by the Runs tab and `fmtui
//! compare`.

use std::collections::BTreeMap;

use crate::data::DatasetInfo;
use crate::metrics::significance::{self, Group, Interval};
use crate::metrics::{METRICS, Scores, Unit};
use crate::profile::{Channels, EpochRecord, Normalize, Profile, ResultRecord, Subset};
use crate::text::{self, figure};

/// How many runs can be told apart.
pub(crate) const MOST: usize = 5;

/// The setting that holds weights to what they were.
const DIGEST: &str = "model.pretrained_sha256";

/// What is compared: a cell for each run.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Row {
    pub name: String,
    pub cells: Vec<Cell>,
    /// The runs with the best of these figures, where one is better than another.
    pub best: Vec<usize>,
}

/// What stands in a cell; a figure is written by the room there is for it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Unknown,
    Words(String),
    /// The first that fits.
    Ways(Vec<String>),
    Share(f64),
    /// With three decimals.
    Score(f64),
    Loss(f64),
    Count(u64),
    /// A setting: as it was given, where that fits.
    Number(f64),
    Seconds(f64),
    /// An interval of a share.
    Interval(Interval),
    /// Mean and standard deviation of several.
    Spread(Box<Cell>, f64),
}

impl Cell {
    /// In at most `width` columns; words that do not fit are cut with a mark, figures are written shorter.
    #[must_use]
    pub(crate) fn text(&self, width: usize) -> String {
        match self {
            Self::Unknown => text::ellipsis("–", width),
            Self::Words(words) => text::ellipsis(words, width),
            Self::Ways(ways) => figure::fitting(ways.iter().cloned(), width),
            Self::Share(share) => figure::percent(*share, 1, width),
            Self::Score(score) => figure::fixed(*score, 3, width),
            Self::Loss(loss) => figure::loss(*loss, width),
            Self::Count(count) => figure::count(*count, width),
            Self::Number(value) => {
                let shorter = figure::fixed(*value, 0, width);
                figure::fitting(
                    [value.to_string(), figure::loss(*value, width), shorter],
                    width,
                )
            }
            Self::Seconds(seconds) if *seconds < 10.0 => {
                let fine = figure::fixed(*seconds, 2, width.saturating_sub(2));
                figure::fitting(
                    [format!("{fine} s"), figure::seconds(*seconds, width)],
                    width,
                )
            }
            Self::Seconds(seconds) => figure::seconds(*seconds, width),
            Self::Interval(interval) => {
                figure::fitting([2, 1, 0].map(|decimals| interval.percent(decimals)), width)
            }
            Self::Spread(mean, deviation) => {
                let beside = |deviation: String| format!("{} ± {deviation}", mean.text(width));
                let ways = match **mean {
                    Self::Share(_) => [2, 1].map(|d| beside(format!("{:.d$}", 100.0 * deviation))),
                    Self::Score(_) | Self::Loss(_) => {
                        [4, 3].map(|d| beside(format!("{deviation:.d$}")))
                    }
                    _ => [1, 0].map(|d| beside(format!("{deviation:.d$}"))),
                };
                figure::fitting(ways.into_iter().chain([mean.text(width)]), width)
            }
        }
    }

    fn or_unknown<T>(value: Option<T>, cell: impl Fn(T) -> Self) -> Self {
        value.map_or(Self::Unknown, cell)
    }
}

/// How a run came by its weights: `scratch`, `fine-tune`, `gradual` where layers were set free by and by, or `frozen`
/// with what is.
#[must_use]
pub(crate) fn training_mode(profile: &Profile) -> String {
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
pub(crate) fn curve(runs: &[&Profile]) -> &'static str {
    let on_test = |run: &&Profile| run.curve_is_test();
    match (runs.iter().all(on_test), runs.iter().any(on_test)) {
        (true, _) => "test",
        (false, false) => "validation",
        (false, true) => "held-out",
    }
}

/// A run's letter.
#[must_use]
pub(crate) fn letter(index: usize) -> char {
    ['A', 'B', 'C', 'D', 'E'][index % MOST]
}

/// Test accuracy of a finished run.
#[must_use]
pub(crate) fn test_accuracy(profile: &Profile) -> Option<f64> {
    let test = profile.result.as_ref()?.test.as_ref()?;
    Some(test.accuracy)
}

/// Accuracy on the validation set, by the weights that the other figures are of.
pub(crate) fn validation_accuracy(profile: &Profile) -> Option<f64> {
    let standing = profile.standing()?;
    (standing.subset == Subset::Validation).then_some(standing.held_out)
}

/// What the gap is measured to, where that is the same for all.
fn gap_name(runs: &[&Profile]) -> &'static str {
    match curve(runs) {
        "test" => "train–test gap",
        "validation" => "gap",
        _ => "train–held-out gap",
    }
}

fn gap(profile: &Profile) -> Cell {
    let Some(standing) = profile.standing() else {
        return Cell::Unknown;
    };
    let ways = [figure::ANY, 12, 11, 6, 5, 4].map(|width| standing.gap_in_words(width));
    Cell::Ways(ways.into())
}

/// The gap of a run with what it is measured to; of a group the mean.
fn common_gap(runs: &Runs) -> Cell {
    if let [run] = runs.as_slice() {
        return gap(run);
    }
    let points = |group: Group| {
        let ways = [figure::ANY, 6, 5, 4].map(|width| figure::points(group.mean, width));
        Cell::Ways(ways.into())
    };
    let found = spread(runs, &|run| run.standing().map(|standing| standing.gap()));
    Cell::or_unknown(found, points)
}

/// `best @ 13`: which of its weights a run's figures are of.
fn weights(profile: &Profile) -> Cell {
    Cell::or_unknown(profile.weights(), |weights| {
        let of_one = [figure::ANY, 11, 9, 7, 6].map(|width| weights.short(width));
        Cell::Ways(of_one.into())
    })
}

/// What is to be known of a run's figures besides themselves.
#[must_use]
pub(crate) fn notes(profile: &Profile) -> Vec<String> {
    let Some(result) = &profile.result else {
        return Vec::new();
    };
    let note = Some(text::sanitize(&result.note)).filter(|note| !note.is_empty());
    note.into_iter().chain(result.verdict()).collect()
}

/// Training time so far. **Units** seconds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "epochs are few")]
pub(crate) fn seconds(profile: &Profile) -> Option<f64> {
    match &profile.result {
        Some(result) => Some(result.seconds),
        None if profile.history.is_empty() => None,
        None => {
            let here: f64 = profile.history.iter().map(|e| e.seconds).sum();
            // Of a long history not every epoch is here.
            match (profile.epochs_done(), profile.history.len()) {
                (done, rows) if done > rows => Some(here / rows as f64 * done as f64),
                _ => Some(here),
            }
        }
    }
}

/// The 95 % interval of the accuracy that a run is listed with, where the images that it was counted on are known.
#[must_use]
pub(crate) fn accuracy_interval(profile: &Profile) -> Option<Interval> {
    profile.known_scores().and_then(significance::wilson_of)
}

/// Runs that are compared as one: a run alone, or those of a group.
pub(crate) type Runs<'a> = Vec<&'a Profile>;

/// Runs that are each compared alone.
#[cfg(test)]
fn alone<'a>(runs: &[&'a Profile]) -> Vec<Runs<'a>> {
    runs.iter().map(|run| vec![*run]).collect()
}

/// What stands in the cell of a side for what is no figure: the word of all its runs.
fn common(runs: &Runs, of: &dyn Fn(&Profile) -> Cell) -> Cell {
    let mut cells = runs.iter().map(|run| of(run));
    let first = cells.next().unwrap_or(Cell::Unknown);
    if cells.all(|cell| cell == first) {
        first
    } else {
        Cell::Words("differs".into())
    }
}

/// The figure of a run, the mean of a group's and their standard deviation; none where none is known.
fn spread(runs: &Runs, of: &dyn Fn(&Profile) -> Option<f64>) -> Option<Group> {
    let values: Vec<f64> = runs.iter().filter_map(|run| of(run)).collect();
    Group::of(&values)
}

/// The interval in which an accuracy lies with 95 %: of one run for the images that it was tested on, of a group for
/// the recipe's mean.
fn interval(runs: &Runs, of: fn(&ResultRecord) -> Option<&Scores>) -> Cell {
    let scores = |run: &Profile| of(run.result.as_ref()?).cloned();
    let found = match runs.as_slice() {
        [run] => scores(run).as_ref().and_then(significance::wilson_of),
        several => {
            let accuracy = |run: &Profile| scores(run).map(|scores| scores.accuracy);
            spread(&several.to_vec(), &accuracy).and_then(|group| group.interval)
        }
    };
    Cell::or_unknown(found, Cell::Interval)
}

/// What came out, a row a figure. Those of one run are all of the same weights, which the first row names.
#[must_use]
pub(crate) fn figures(sides: &[Runs]) -> Vec<Row> {
    let all: Vec<&Profile> = sides.iter().flatten().copied().collect();
    let runs = all.as_slice();
    let words = |name: &str, of: &dyn Fn(&Profile) -> Cell| Row {
        name: name.into(),
        cells: sides.iter().map(|side| common(side, of)).collect(),
        best: Vec::new(),
    };
    let numbers =
        |name: &str, sign: f64, of: &dyn Fn(&Profile) -> Option<f64>, show: fn(f64) -> Cell| {
            let found: Vec<Option<Group>> = sides.iter().map(|side| spread(side, of)).collect();
            let means: Vec<Option<f64>> = found.iter().map(|f| f.map(|f| f.mean)).collect();
            let cell = |group: Group| match group.count {
                1 => show(group.mean),
                _ => Cell::Spread(Box::new(show(group.mean)), group.deviation),
            };
            Row {
                name: name.into(),
                cells: found.iter().map(|f| Cell::or_unknown(*f, cell)).collect(),
                best: best(&means, sign),
            }
        };
    let intervals = |of: &str, scores: fn(&ResultRecord) -> Option<&Scores>| Row {
        name: format!("{of}, 95 %"),
        cells: sides.iter().map(|side| interval(side, scores)).collect(),
        best: Vec::new(),
    };
    let count = |n: usize| Cell::Count(n as u64);
    let mut rows = vec![
        words("mode", &|p| Cell::Words(training_mode(p))),
        words("weights", &weights),
        words("runs", &|_| Cell::Unknown),
        numbers("test accuracy", 1.0, &test_accuracy, Cell::Share),
        intervals("test accuracy", |result| result.test.as_ref()),
        numbers(
            "validation accuracy",
            1.0,
            &validation_accuracy,
            Cell::Share,
        ),
        intervals("validation accuracy", |result| result.validation.as_ref()),
        numbers(
            "train accuracy",
            0.0,
            &|p| p.standing().map(|s| s.train),
            Cell::Share,
        ),
        // A small one is no merit of a network that learns little.
        Row {
            name: gap_name(runs).into(),
            cells: sides.iter().map(common_gap).collect(),
            best: Vec::new(),
        },
        words("best epoch", &|p| {
            Cell::or_unknown(p.best_epoch(), |e| count(e.epoch))
        }),
        words("epochs", &|p| count(p.epochs_done())),
        words("parameters trained", &trained),
        numbers("time", -1.0, &seconds, Cell::Seconds),
        numbers("time per epoch", -1.0, &typical_epoch, Cell::Seconds),
    ];
    rows.extend(
        METRICS
            .iter()
            .filter(|m| m.key != "accuracy")
            .map(|metric| {
                let of = |p: &Profile| Some((metric.of)(p.result.as_ref()?.test.as_ref()?));
                let known = |p: &Profile| of(p).filter(|value| !value.is_nan());
                let sign = if metric.higher_is_better { 1.0 } else { -1.0 };
                let show = match metric.unit {
                    Unit::Share => Cell::Share,
                    Unit::Score => Cell::Score,
                    Unit::Loss => Cell::Loss,
                };
                numbers(&format!("test {}", metric.label), sign, &known, show)
            }),
    );
    let is_test = |row: &Row| row.name.starts_with("test ");
    let is_told = |row: &Row| row.cells.iter().any(|cell| *cell != Cell::Unknown);
    let has_none = |run: &&Profile| !run.is_tested();
    let says_none = |row: &Row| row.name == "test accuracy" && runs.iter().any(has_none);
    rows.retain(|row| !is_test(row) || is_told(row) || says_none(row));
    if let Some(row) = rows.iter_mut().find(|row| row.name == "runs")
        && sides.iter().any(|side| side.len() > 1)
    {
        row.cells = sides.iter().map(|side| count(side.len())).collect();
    }
    rows.retain(|row| row.name != "runs" || is_told(row));
    // Where nobody wanted them, test scores are not unknown.
    for row in rows.iter_mut().filter(|row| is_test(row)) {
        for (cell, side) in row.cells.iter_mut().zip(sides) {
            let why = side.first().and_then(|run| run.untested());
            if let Some(why) = why.filter(|_| *cell == Cell::Unknown) {
                *cell = Cell::Words(why.into());
            }
        }
    }
    rows.retain(|row| {
        !row.name.starts_with("validation accuracy")
            || row.cells.iter().any(|cell| *cell != Cell::Unknown)
    });
    rows
}

/// Every setting in which the runs differ; the seeds of a group are no difference within it.
#[must_use]
pub(crate) fn differences(sides: &[Runs]) -> Vec<Row> {
    let settings: Vec<BTreeMap<String, Cell>> = sides.iter().map(settings_of).collect();
    let row = |name: &String| Row {
        name: name.clone(),
        cells: settings
            .iter()
            .map(|s| s.get(name).cloned().unwrap_or(Cell::Unknown))
            .collect(),
        best: Vec::new(),
    };
    let mut keys = differing(&settings);
    // A digest says nothing that other names of weights do not.
    let same = |key: &str, a: usize, b: usize| settings[a].get(key) == settings[b].get(key);
    let pairs = || (0..sides.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
    if pairs().all(|(a, b)| same(DIGEST, a, b) || !same("model.pretrained", a, b)) {
        keys.retain(|key| key != DIGEST);
    }
    keys.iter().map(row).collect()
}

fn settings_of(side: &Runs) -> BTreeMap<String, Cell> {
    let Some(first) = side.first() else {
        return BTreeMap::new();
    };
    let mut settings = flatten(&as_used(first));
    let seeds = || side.iter().map(|run| run.train.seed);
    if let (Some(least), Some(most)) = (seeds().min(), seeds().max())
        && least < most
    {
        let range = format!("{least} … {most}");
        settings.insert("train.seed".into(), Cell::Words(range));
    }
    settings
}

/// Where the best values are, the largest with a `sign` of 1, the least with −1; nowhere while not all are known or all
/// are alike, or with 0.
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
fn trained(profile: &Profile) -> Cell {
    match &profile.result {
        // Older records do not tell them apart.
        Some(r) if [0, r.parameters].contains(&r.trained_parameters) && r.parameters > 0 => {
            Cell::Count(r.parameters)
        }
        Some(r) if r.parameters > 0 => {
            let all = text::short_count(r.parameters);
            let ways = [figure::ANY, 5].map(|width| figure::count(r.trained_parameters, width));
            Cell::Ways(vec![
                format!("{} of {all}", ways[0]),
                format!("{} of {all}", ways[1]),
                ways[1].clone(),
            ])
        }
        _ => Cell::Unknown,
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
    let (below, above) = (all.len().checked_sub(1)? / 2, all.len() / 2);
    Some(f64::midpoint(all[below], all[above]))
}

/// The recipe as `train.optimizer.learning_rate` → `0.001`.
fn flatten(profile: &Profile) -> BTreeMap<String, Cell> {
    let mut out = BTreeMap::new();
    if let Ok(value) = toml::Value::try_from(profile.recipe()) {
        walk("", &value, &mut out);
    }
    out.remove("name");
    out
}

fn walk(path: &str, value: &toml::Value, out: &mut BTreeMap<String, Cell>) {
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
            out.insert(
                path.to_string(),
                Cell::Words(text::count(items.len(), what)),
            );
        }
        toml::Value::String(text) => {
            out.insert(path.to_string(), Cell::Words(text::sanitize(text)));
        }
        toml::Value::Float(value) => {
            out.insert(path.to_string(), Cell::Number(*value));
        }
        other => {
            let words = Cell::Words(text::sanitize(&other.to_string()));
            out.insert(path.to_string(), words);
        }
    }
}

/// A recipe with what it came to on its data, so that two words for the same are no difference.
fn as_used(run: &Profile) -> Profile {
    let mut run = run.clone();
    let data = &mut run.data;
    if data.normalize == Normalize::Dataset && data.mean.is_some() && data.std.is_some() {
        data.normalize = Normalize::Given;
    }
    if let Some(info) = DatasetInfo::by_name(&data.name) {
        data.channels = Channels::Of(data.channels.of(info.channels));
    }
    run
}

/// Keys whose values are not the same everywhere.
fn differing(settings: &[BTreeMap<String, Cell>]) -> Vec<String> {
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
    use crate::profile::PerChannel;
    use crate::profile::{ResultRecord, Unfreeze};

    fn run(pretrained: &str, freeze: &str, test: f64, seconds: f64) -> Profile {
        let mut profile = Profile::new("resnet20");
        profile.data.validation = 0.0;
        profile.model.pretrained = pretrained.into();
        profile.model.freeze = freeze.into();
        let epoch = |epoch, held_out_accuracy, seconds| EpochRecord {
            epoch,
            held_out_accuracy,
            seconds,
            ..EpochRecord::default()
        };
        profile.history = vec![epoch(1, test - 0.1, 9.0), epoch(2, test, 1.0)];
        let scores = |accuracy| Scores::of_accuracy(0.5, accuracy);
        profile.result = Some(ResultRecord {
            parameters: 1000,
            epochs: 2,
            trained_parameters: if freeze.is_empty() { 1000 } else { 10 },
            seconds,
            train: Some(scores(test + 0.05)),
            test: Some(scores(test)),
            ..ResultRecord::default()
        });
        profile
    }

    #[test]
    fn training_modes_have_their_names() {
        for (pretrained, freeze, name) in [
            ("", "", "scratch"),
            ("a.pth", "none", "fine-tune"),
            ("a.pth", "backbone", "frozen"),
            ("run:x", "layer2", "frozen to layer2"),
        ] {
            assert_eq!(training_mode(&run(pretrained, freeze, 0.5, 1.0)), name);
        }
        let mut gradual = run("a.pth", "backbone", 0.5, 1.0);
        gradual.model.unfreeze = vec![Unfreeze {
            epoch: 2,
            freeze: "none".into(),
        }];
        assert_eq!(training_mode(&gradual), "gradual");
    }

    #[test]
    fn figures_stand_side_by_side_and_the_best_is_known() {
        let (a, b) = (run("", "", 0.8, 100.0), run("a.pth", "backbone", 0.9, 50.0));
        let rows = figures(&alone(&[&a, &b]));
        let row = |name: &str| {
            let row = rows.iter().find(|row| row.name == name).unwrap();
            let cells: Vec<String> = row.cells.iter().map(|cell| cell.text(24)).collect();
            (cells.join(" | "), row.best.clone())
        };
        assert_eq!(row("mode"), ("scratch | frozen".into(), vec![]));
        assert_eq!(row("test accuracy"), ("80.0 % | 90.0 %".into(), vec![1]));
        assert_eq!(row("weights").0, "last @ 2 | last @ 2");
        assert_eq!(
            row("train–test gap"),
            ("+5.0 points to test | +5.0 points to test".into(), vec![])
        );
        assert!(best(&[Some(-1.0), Some(2.0)], 0.0).is_empty());
        assert_eq!(row("parameters trained").0, "1,000 | 10 of 1,000");
        assert_eq!(row("best epoch").0, "1 | 1");
        assert_eq!(row("time").1, [1]);
        let unfinished = Profile::new("resnet20");
        let rows = figures(&alone(&[&a, &unfinished]));
        let test = rows.iter().find(|row| row.name == "test accuracy").unwrap();
        assert_eq!(test.cells, [Cell::Share(0.8), Cell::Unknown]);
        assert!(test.best.is_empty());
    }

    #[test]
    fn the_figures_of_a_run_are_of_one_model() {
        let mut a = run("", "", 0.8, 100.0);
        a.data.validation = 0.1;
        a.history.push(EpochRecord {
            epoch: 3,
            train_accuracy: 0.99,
            held_out_accuracy: 0.7,
            ..EpochRecord::default()
        });
        let mut b = a.clone();
        let result = a.result.as_mut().unwrap();
        (result.best_epoch, result.epochs) = (2, 3);
        result.validation = Some(Scores {
            accuracy: 0.82,
            ..Scores::default()
        });
        b.result = None;
        let mut c = a.clone();
        c.result.as_mut().unwrap().note = "the best weights, of epoch 2, are gone".into();
        let rows = figures(&alone(&[&a, &b, &c]));
        let row = |name: &str| {
            let row = rows.iter().find(|row| row.name == name).unwrap();
            let cells: Vec<String> = row.cells.iter().map(|cell| cell.text(24)).collect();
            cells.join(" | ")
        };
        assert_eq!(row("weights"), "best @ 2 | epoch 3 | last @ 3");
        assert_eq!(row("validation accuracy"), "82.0 % | 70.0 % | 82.0 %");
        assert_eq!(row("train accuracy"), "85.0 % | 99.0 % | 85.0 %");
        assert_eq!(row("gap"), "+3.0 points | +29.0 points | +3.0 points");
        assert_eq!(row("best epoch"), "2 | 2 | 2");
        assert_eq!(notes(&c), ["the best weights, of epoch 2, are gone"]);
        assert!(notes(&a).is_empty());
    }

    #[test]
    fn a_cell_is_cut_with_a_mark_and_a_figure_never() {
        let cell = |cell: Cell, width| cell.text(width);
        assert_eq!(cell(Cell::Words("a-long-name".into()), 6), "a-lon…");
        assert_eq!(cell(Cell::Number(1.234_567_89e-3), 24), "0.00123456789");
        assert_eq!(cell(Cell::Number(1.234_567_89e-3), 9), "0.0012");
        assert_eq!(cell(Cell::Number(1.460_974_950_282_202e15), 9), "1.46e15");
        assert_eq!(cell(Cell::Count(1_234_567), 6), "1.23M");
        assert_eq!(cell(Cell::Seconds(0.034), 9), "0.03 s");
        assert_eq!(
            cell(Cell::Ways(vec!["+12.0 points".into(), "+12.0".into()]), 6),
            "+12.0"
        );
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
        assert_eq!(settings[1]["model.hidden"], Cell::Words("[50, 20]".into()));
        assert!(differing(&[flatten(&a), flatten(&a)]).is_empty());

        let weights = |name: &str, digest: &str| {
            let mut profile = Profile::new("resnet20");
            profile.model.pretrained = name.into();
            profile.model.pretrained_sha256 = digest.into();
            profile
        };
        let (none, one, two) = (weights("", ""), weights("a.th", "1"), weights("b.th", "2"));
        let listed = |runs: &[&Profile]| -> Vec<String> {
            differences(&alone(runs))
                .into_iter()
                .map(|row| row.name)
                .collect()
        };
        assert_eq!(listed(&[&none, &one, &two]), ["model.pretrained"]);
        assert_eq!(
            listed(&[&none, &one, &weights("a.th", "3")]),
            ["model.pretrained", DIGEST]
        );
    }

    /// A record of 0.1 states what is left to the set now.
    #[test]
    fn two_words_for_the_same_are_no_difference() {
        let with = |normalize, channels, mean: f64| {
            let mut profile = Profile::new("lenet5");
            profile.data.normalize = normalize;
            profile.data.channels = channels;
            profile.data.mean = Some(PerChannel::All(mean));
            profile.data.std = Some(PerChannel::All(0.353));
            profile
        };
        let old = with(Normalize::Given, Channels::Of(1), 0.2859);
        let now = with(Normalize::Dataset, Channels::Auto, 0.2859);
        let other = with(Normalize::Dataset, Channels::Of(3), 0.5);
        assert_eq!(differences(&alone(&[&old, &now])).len(), 0);
        let names: Vec<String> = differences(&alone(&[&old, &other]))
            .into_iter()
            .map(|row| row.name)
            .collect();
        assert_eq!(names, ["data.channels", "data.mean"]);
    }
}
