//! What a sweep searches for: figures of the validation set by the weights of the best epoch, or the cost of a run.

use super::settings::Settings;
use crate::error::{Error, Result};
use crate::metrics::{METRICS, Metric};
use crate::profile::ResultRecord;
use crate::search::study::Direction;
use crate::text::{self, figure};

/// What is searched for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Objective {
    /// Such as `validation-accuracy`.
    pub name: String,
    pub direction: Direction,
    pub measure: Measure,
}

/// How it is measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Measure {
    /// On the validation set.
    Validation(&'static str),
    Cost(Cost),
}

/// What a run costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cost {
    Parameters,
    MultiplyAdds,
    Seconds,
}

const COSTS: [(&str, Cost); 3] = [
    ("parameters", Cost::Parameters),
    ("multiply-adds", Cost::MultiplyAdds),
    ("seconds", Cost::Seconds),
];

const OF_VALIDATION: &str = "validation-";

impl Objective {
    /// Those that a sweep names.
    ///
    /// # Errors
    /// `Input` where one is none, or there is none, or one twice.
    pub(super) fn of(settings: &Settings) -> Result<Vec<Self>> {
        let names = settings.objective.all();
        let objectives = names
            .iter()
            .map(|name| Self::named(name))
            .collect::<Result<Vec<_>>>()?;
        let twice = (1..names.len()).find(|at| names[..*at].contains(&names[*at]));
        if objectives.is_empty() || objectives.len() > 5 || twice.is_some() {
            return Err(Error::input(
                "sweep.objective",
                "names none, more than five, or one twice",
                "name one, or up to five different ones",
            ));
        }
        Ok(objectives)
    }

    /// The objective of this name.
    ///
    /// # Errors
    /// `Input` where there is none such, with the nearest.
    pub(crate) fn named(name: &str) -> Result<Self> {
        if let Some((_, cost)) = COSTS.iter().find(|(cost, _)| *cost == name) {
            return Ok(Self {
                name: name.into(),
                direction: Direction::Minimize,
                measure: Measure::Cost(*cost),
            });
        }
        let found = METRICS
            .iter()
            .find(|metric| Self::of_metric(metric) == name);
        if let Some(metric) = found {
            let direction = if metric.higher_is_better {
                Direction::Maximize
            } else {
                Direction::Minimize
            };
            return Ok(Self {
                name: name.into(),
                direction,
                measure: Measure::Validation(metric.key),
            });
        }
        if let Some(metric) = name.strip_prefix("test-") {
            return Err(Error::input(
                "sweep.objective",
                format!(
                    "is `{}`, and a sweep never reads the test set",
                    text::sanitize(name)
                ),
                format!("search for validation-{}", text::sanitize(metric)),
            ));
        }
        let all: Vec<String> = METRICS.iter().map(Self::of_metric).collect();
        let costs = COSTS.iter().map(|(name, _)| (*name).to_owned());
        let all: Vec<String> = all.into_iter().chain(costs).collect();
        let remedy = match text::nearest(name, all.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("name one of {}", all.join(", ")),
        };
        let problem = format!("`{}` is none", text::sanitize(name));
        Err(Error::input("sweep.objective", problem, remedy))
    }

    fn of_metric(metric: &Metric) -> String {
        format!("{OF_VALIDATION}{}", metric.key.replace('_', "-"))
    }

    /// Whether each epoch has a value of it, by which trials can be given up.
    #[must_use]
    pub(crate) fn is_known_by_epoch(&self) -> bool {
        matches!(self.measure, Measure::Validation(_))
    }

    /// The metric, where it is one.
    #[must_use]
    pub(crate) fn metric(&self) -> Option<&'static Metric> {
        match self.measure {
            Measure::Validation(key) => METRICS.iter().find(|metric| metric.key == key),
            Measure::Cost(_) => None,
        }
    }

    /// Its name in a column: all are of the validation set.
    #[must_use]
    pub(crate) fn short(&self) -> &str {
        self.name.trim_start_matches("validation-")
    }

    /// A value of it in at most `width` columns.
    #[must_use]
    pub(crate) fn text(&self, value: f64, width: usize) -> String {
        match (self.metric(), self.measure) {
            (Some(metric), _) => metric.unit.text(value, 2, width),
            (None, Measure::Cost(Cost::Seconds)) => text::seconds(value),
            _ => figure::fixed(value, 0, width),
        }
    }

    /// Its value by the record of a finished run; NaN where the record has none.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^53")]
    pub(crate) fn value(&self, result: &ResultRecord) -> f64 {
        match (self.measure, self.metric(), &result.validation) {
            (Measure::Cost(Cost::Parameters), ..) => result.parameters as f64,
            (Measure::Cost(Cost::MultiplyAdds), ..) => result.multiply_adds as f64,
            (Measure::Cost(Cost::Seconds), ..) => result.seconds,
            (_, Some(metric), Some(scores)) => (metric.of)(scores),
            _ => f64::NAN,
        }
    }
}
