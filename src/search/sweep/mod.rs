//! The sweep file: a recipe, the space around it, and how that is searched, in one TOML file.
//!
//! Beside the tables of a recipe there are `[sweep]` ([`Settings`]) and `[space]`, whose keys are the recipe's. A key
//! that begins with `$` is a parameter of the recipe's own [template], such as the depth of its layers.

mod objective;
mod settings;
mod space;
mod template;

pub(crate) use objective::Objective;
pub(crate) use settings::Settings;

use toml::{Table, Value};

use super::distribution::Distribution;
use super::draws::Draws;
use super::pruner::{Asha, Median, Pruner};
use super::sampler::{Sampler, grid_size};
use super::space::Space;
use super::study::Assigned;
use crate::error::{Error, Result};
use crate::profile::{self, Profile, settings as recipe_settings};
use crate::text;

/// Recipes of random points that are looked at before anything is trained.
const TRIED: usize = 200;

/// A sweep as its file says it, checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sweep {
    pub settings: Settings,
    /// At least one.
    pub objectives: Vec<Objective>,
    pub space: Space,
    /// The recipe, in which a template may be.
    recipe: Table,
    /// The file's own `[space]`.
    written_space: Table,
}

impl Sweep {
    /// Reads a sweep file; `source` names it in errors. `base` gives the recipe that `sweep.base` names, as a table;
    /// `changes` are `key=value`, of the sweep or of the recipe, and `name` is its name where it says none.
    ///
    /// # Errors
    /// `Input` for anything that cannot be searched, naming the key.
    pub(crate) fn parse(
        text: &str,
        source: &str,
        (changes, name): (&[String], &str),
        base: &dyn Fn(&str) -> Result<Table>,
    ) -> Result<Self> {
        let mut file = profile::parse_table(text, source)?;
        check_tables(&file, source)?;
        let sweep = table(&mut file, "sweep", source)?.unwrap_or_default();
        let Some(written_space) = table(&mut file, "space", source)? else {
            return Err(Error::input(
                source,
                "has no [space], so that there is nothing to search",
                "add one, such as \"train.optimizer.learning_rate\" = { low = 1e-4, high = 0.1 }",
            ));
        };
        let (of_sweep, of_recipe): (Vec<&String>, Vec<&String>) = changes
            .iter()
            .partition(|change| change.trim_start().starts_with("sweep."));
        let mut settings = Settings::read(sweep, &of_sweep)?;
        if settings.name.is_empty() {
            name.clone_into(&mut settings.name);
        }
        let mut recipe = match settings.base.as_str() {
            "" => Table::new(),
            named => base(named)?,
        };
        for written in ["run", "result", "history"] {
            recipe.remove(written);
        }
        let mut tests = file
            .get("train")
            .and_then(|train| train.get("test"))
            .cloned();
        lay_over(&mut recipe, file);
        for change in of_recipe {
            let (key, value) = change.split_once('=').ok_or_else(|| {
                let remedy = "write it as sweep.trials=12 or train.epochs=3";
                Error::input(format!("--set {change}"), "has no `=`", remedy)
            })?;
            let key = profile::current_key(key.trim());
            let value = recipe_settings::read(&key, value)?;
            if key == "train.test" {
                tests = Some(value.clone());
            }
            put(&mut recipe, &key, value)?;
        }
        if tests == Some(Value::Boolean(true)) {
            return Err(Error::input(
                "train.test",
                "is true, and a sweep never reads the test set",
                "leave it out; `fmtui sweep best NAME --final` tests once, at the end",
            ));
        }
        put(&mut recipe, "train.test", Value::Boolean(false))?;
        if recipe.get("model").is_none() {
            return Err(Error::input(
                source,
                "has no recipe",
                "name a preset as base = \"lenet5\" under [sweep], or write the recipe's tables",
            ));
        }
        let objectives = Objective::of(&settings)?;
        let space = space::read(&written_space, &recipe)?;
        let sweep = Self {
            settings,
            objectives,
            space,
            recipe,
            written_space,
        };
        sweep.check()?;
        Ok(sweep)
    }

    fn check(&self) -> Result<()> {
        let held_out = self
            .recipe
            .get("data")
            .and_then(|data| data.get("validation"));
        let is_none =
            |value: &Value| value.as_integer() == Some(0) || value.as_float() == Some(0.0);
        if held_out.is_some_and(is_none) {
            return Err(Error::input(
                "data.validation",
                "is 0, and a sweep never reads the test set",
                "hold some of the training images out, as data.validation = 5000",
            ));
        }
        let searches = |key: &str| self.space.place(key).is_some();
        if self.is_asha() && searches("train.epochs") {
            return Err(Error::input(
                "train.epochs",
                "is searched, and `asha` gives every trial the same number",
                "leave it out of [space], or use another pruner",
            ));
        }
        if self.objectives.len() > 1 {
            for (key, named, takes) in [
                ("sweep.sampler", self.settings.sampler.as_str(), "tpe"),
                ("sweep.pruner", self.settings.pruner.as_str(), "asha"),
                ("sweep.pruner", self.settings.pruner.as_str(), "median"),
            ] {
                if named == takes {
                    return Err(Error::input(
                        key,
                        format!("is `{named}`, which knows one objective, and there are several"),
                        "use `random` or `sobol` and the pruner `none`, or one objective",
                    ));
                }
            }
        }
        if !matches!(self.pruner()?, Pruner::None) && !self.objectives[0].is_known_by_epoch() {
            return Err(Error::input(
                "sweep.pruner",
                format!(
                    "needs an objective that each epoch has, and {} is none",
                    self.objectives[0].name
                ),
                "use the pruner `none`, or an objective of the validation set",
            ));
        }
        if self.sampler() == Sampler::Grid {
            grid_size(&self.space)?;
        }
        // Combinations that are no recipe are found before the first trial.
        for parameters in self.samples() {
            self.recipe(&parameters)
                .map_err(|error| untrainable(&parameters, &error))?;
        }
        Ok(())
    }

    /// Parameters of trials as they may come, by chance.
    pub(crate) fn samples(&self) -> impl Iterator<Item = Vec<Assigned>> {
        (0..TRIED).map(|nth| self.space.assign(&self.some_point(nth)))
    }

    /// A point of the space, by chance.
    fn some_point(&self, nth: usize) -> super::space::Point {
        let mut draws = Draws::of(self.settings.seed, nth);
        self.space.point(|_, distribution| match distribution {
            Distribution::Number(range) => range.at(draws.uniform()),
            Distribution::Choice(choices) => {
                super::distribution::to_f64(draws.below(choices.len() as u64))
            }
        })
    }

    /// The recipe of a trial.
    ///
    /// # Errors
    /// `Input` naming the key that does not fit.
    pub(crate) fn recipe(&self, parameters: &[Assigned]) -> Result<Profile> {
        let mut recipe = self.recipe.clone();
        for parameter in parameters.iter().filter(|p| !p.name.starts_with('$')) {
            put(&mut recipe, &parameter.name, space::to_toml(parameter)?)?;
        }
        template::fill(&mut recipe, parameters)?;
        recipe.insert("name".into(), Value::String(self.settings.name.clone()));
        Profile::from_table(recipe, "the sweep's recipe")
    }

    /// The most trials that there can be: a grid has each combination once.
    #[must_use]
    pub(crate) fn most(&self) -> usize {
        match self.sampler() {
            Sampler::Grid => grid_size(&self.space).unwrap_or(usize::MAX),
            _ => usize::MAX,
        }
    }

    /// Whether no trial begins any more, where the first began then.
    ///
    /// **Units** seconds since 1970.
    #[must_use]
    pub(crate) fn is_late(&self, begun: Option<f64>) -> bool {
        let hours = self.settings.hours;
        hours > 0.0 && begun.is_some_and(|begun| text::now() - begun > 3600.0 * hours)
    }

    #[must_use]
    pub(crate) fn sampler(&self) -> Sampler {
        Sampler::named(&self.settings.sampler).unwrap_or(Sampler::Tpe)
    }

    /// What gives trials up.
    ///
    /// # Errors
    /// As [`recipe`](Self::recipe).
    pub(crate) fn pruner(&self) -> Result<Pruner> {
        Ok(match self.settings.pruner.as_str() {
            "asha" => {
                let first = self.recipe(&self.space.assign(&self.some_point(0)))?;
                Pruner::Asha(Asha {
                    first: to_i64(self.settings.first_rung),
                    factor: self.settings.reduction,
                    last: to_i64(first.train.epochs),
                })
            }
            "median" => Pruner::Median(Median {
                start_up: self.settings.startup_trials,
                warm_up: to_i64(self.settings.warmup_epochs),
            }),
            _ => Pruner::None,
        })
    }

    fn is_asha(&self) -> bool {
        self.settings.pruner == "asha"
    }

    /// The whole sweep as one file that needs no other.
    #[must_use]
    pub(crate) fn to_toml(&self) -> String {
        let mut file = self.recipe.clone();
        let settings = Settings {
            base: String::new(),
            ..self.settings.clone()
        };
        if let Ok(settings) = Table::try_from(settings) {
            file.insert("sweep".into(), Value::Table(settings));
        }
        file.insert("space".into(), Value::Table(self.written_space.clone()));
        toml::to_string(&file).unwrap_or_default()
    }
}

/// What to say of parameters that make no recipe which can be trained.
#[must_use]
pub(crate) fn untrainable(parameters: &[Assigned], why: &Error) -> Error {
    Error::input(
        format!("the recipe with {}", in_words(parameters)),
        format!("cannot be trained: {why}"),
        "narrow the [space], or give the parameter a `when`",
    )
}

/// Parameters in a line, such as `train.batch_size = 64, augment.flip = 0.5`.
#[must_use]
pub(crate) fn in_words(parameters: &[Assigned]) -> String {
    let one = |parameter: &Assigned| format!("{} = {}", parameter.name, parameter.short());
    let all: Vec<String> = parameters.iter().map(one).collect();
    all.join(", ")
}

/// Finds `[swep]`, which would be called an unknown key of the recipe.
fn check_tables(file: &Table, source: &str) -> Result<()> {
    const KNOWN: [&str; 11] = [
        "sweep", "space", "format", "name", "data", "augment", "model", "train", "run", "result",
        "history",
    ];
    for key in file.keys().filter(|key| !KNOWN.contains(&key.as_str())) {
        if let Some(near) = text::nearest(key, ["sweep", "space"]) {
            return Err(Error::input(
                format!("{source}: {key}"),
                "is not a known key",
                format!("did you mean [{near}]?"),
            ));
        }
    }
    Ok(())
}

fn table(file: &mut Table, key: &str, source: &str) -> Result<Option<Table>> {
    match file.remove(key) {
        None => Ok(None),
        Some(Value::Table(table)) => Ok(Some(table)),
        Some(_) => {
            let remedy = format!("write it as [{key}]");
            Err(Error::input(
                format!("{source}: {key}"),
                "is not a table",
                remedy,
            ))
        }
    }
}

/// Puts what `over` says in place of what `table` does, table by table.
fn lay_over(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(there)), Value::Table(over)) => lay_over(there, over),
            (_, value) => {
                table.insert(key, value);
            }
        }
    }
}

fn put(table: &mut Table, key: &str, value: Value) -> Result<()> {
    let Some((first, rest)) = key.split_once('.') else {
        table.insert(key.into(), value);
        return Ok(());
    };
    let inside = table
        .entry(first)
        .or_insert_with(|| Value::Table(Table::new()));
    let inside = inside.as_table_mut().ok_or_else(|| {
        let remedy = format!("make it a table, [{first}]");
        Error::input(first, "is not a table in the recipe", remedy)
    })?;
    put(inside, rest, value)
}

fn to_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
