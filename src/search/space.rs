//! What is searched: parameters with their distributions, some of them only when others have certain values.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::distribution::Distribution;
use super::study::Assigned;
use crate::error::{Error, Result};

/// A value for every parameter of a space, in its order; none where the parameter is not used.
pub(crate) type Point = Vec<Option<f64>>;

/// The parameters of a search; each comes after those on which it depends.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Space {
    pub parameters: Vec<Parameter>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Parameter {
    pub name: Arc<str>,
    pub distribution: Arc<Distribution>,
    /// It is used only where all of these hold.
    pub when: Vec<Condition>,
}

/// Another parameter has one of some values.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    /// The place of the other parameter in the space.
    pub parameter: usize,
    /// As [`Distribution::inside`] has them.
    pub among: Vec<f64>,
}

/// A parameter as it is written down.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Written {
    pub name: String,
    pub distribution: Distribution,
    /// Names of others, each with the values at which this one is used.
    pub when: BTreeMap<String, Vec<Value>>,
}

impl Space {
    /// Puts parameters in an order in which each comes after those on which it depends, else by their order here.
    ///
    /// # Errors
    /// `Input` naming the parameter whose condition names none, a value that the other cannot have, or itself through
    /// others; or that there is twice.
    pub(crate) fn new(written: Vec<Written>) -> Result<Self> {
        let mut left = written;
        for (at, one) in left.iter().enumerate() {
            if left[..at].iter().any(|other| other.name == one.name) {
                return Err(Error::input(
                    format!("the parameter {}", one.name),
                    "is there twice",
                    "write it once",
                ));
            }
            if let Some(unknown) = one
                .when
                .keys()
                .find(|key| !left.iter().any(|p| p.name == **key))
            {
                return Err(Error::input(
                    format!("{}: when.{unknown}", one.name),
                    "is no parameter of this search",
                    "name one, or leave the condition out",
                ));
            }
        }
        let mut space = Self::default();
        while !left.is_empty() {
            let is_ready = |one: &Written| one.when.keys().all(|key| space.place(key).is_some());
            let Some(next) = left.iter().position(is_ready) else {
                return Err(Error::input(
                    format!("{}: when", left[0].name),
                    "leads back to itself",
                    "let one of these parameters be used always",
                ));
            };
            let one = left.remove(next);
            let when = one
                .when
                .iter()
                .map(|(key, values)| space.condition(&one.name, key, values))
                .collect::<Result<Vec<_>>>()?;
            space.parameters.push(Parameter {
                name: one.name.into(),
                distribution: Arc::new(one.distribution),
                when,
            });
        }
        Ok(space)
    }

    fn condition(&self, of: &str, key: &str, values: &[Value]) -> Result<Condition> {
        let bad = |problem: String| {
            let remedy = format!("name values that {key} can have");
            Error::input(format!("{of}: when.{key}"), problem, remedy)
        };
        let parameter = self.place(key).ok_or_else(|| bad("is none".into()))?;
        let distribution = &self.parameters[parameter].distribution;
        let inside = |value: &Value| {
            let found = distribution.inside(value);
            found.ok_or_else(|| bad(format!("has {value}, which the search never tries")))
        };
        let among = values.iter().map(inside).collect::<Result<Vec<_>>>()?;
        if among.is_empty() {
            return Err(bad("has no value".into()));
        }
        Ok(Condition { parameter, among })
    }

    /// The place of a parameter.
    #[must_use]
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.parameters.iter().position(|p| &*p.name == name)
    }

    /// Whether a parameter is used at a point whose earlier parameters are known.
    #[must_use]
    pub(crate) fn is_used(&self, parameter: usize, point: &[Option<f64>]) -> bool {
        self.parameters[parameter].when.iter().all(|condition| {
            let value = point.get(condition.parameter).copied().flatten();
            value.is_some_and(|value| condition.among.contains(&value))
        })
    }

    /// Parameters that are used together or not at all, earlier ones first.
    #[must_use]
    pub(crate) fn groups(&self) -> Vec<Vec<usize>> {
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (at, parameter) in self.parameters.iter().enumerate() {
            let same = groups
                .iter_mut()
                .find(|group| self.parameters[group[0]].when == parameter.when);
            match same {
                Some(group) => group.push(at),
                None => groups.push(vec![at]),
            }
        }
        groups
    }

    /// The point by each parameter's own value, where the parameter is used.
    pub(crate) fn point(&self, mut value: impl FnMut(usize, &Distribution) -> f64) -> Point {
        let mut point = Point::with_capacity(self.parameters.len());
        for at in 0..self.parameters.len() {
            let value = value(at, &self.parameters[at].distribution);
            let used = self.is_used(at, &point).then_some(value);
            point.push(used);
        }
        point
    }

    /// The parameters of a point that are used.
    #[must_use]
    pub(crate) fn assign(&self, point: &[Option<f64>]) -> Vec<Assigned> {
        let both = self.parameters.iter().zip(point);
        both.filter_map(|(parameter, inside)| {
            Some(Assigned {
                name: Arc::clone(&parameter.name),
                distribution: Arc::clone(&parameter.distribution),
                inside: (*inside)?,
            })
        })
        .collect()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::search::distribution::Range;

    pub(crate) fn real(low: f64, high: f64, log: bool) -> Distribution {
        Distribution::Number(Range {
            low,
            high,
            log,
            step: None,
            is_whole: false,
        })
    }

    pub(crate) fn whole(low: f64, high: f64, log: bool) -> Distribution {
        Distribution::Number(Range {
            low,
            high,
            log,
            step: Some(1.0),
            is_whole: true,
        })
    }

    pub(crate) fn choice(names: &[&str]) -> Distribution {
        Distribution::Choice(names.iter().map(|name| json!(name)).collect())
    }

    pub(crate) fn written(
        name: &str,
        distribution: Distribution,
        when: &[(&str, &[&str])],
    ) -> Written {
        Written {
            name: name.into(),
            distribution,
            when: when
                .iter()
                .map(|(key, values)| ((*key).into(), values.iter().map(|v| json!(v)).collect()))
                .collect(),
        }
    }

    #[test]
    fn conditions_are_worked_off_in_their_order() {
        let space = Space::new(vec![
            written(
                "nesterov",
                choice(&["yes", "no"]),
                &[("momentum-on", &["yes"])],
            ),
            written(
                "momentum-on",
                choice(&["yes", "no"]),
                &[("optimizer", &["sgd"])],
            ),
            written("optimizer", choice(&["sgd", "adam"]), &[]),
            written("rate", real(0.1, 1.0, true), &[]),
        ])
        .unwrap();
        let names: Vec<&str> = space.parameters.iter().map(|p| &*p.name).collect();
        assert_eq!(names, ["optimizer", "momentum-on", "nesterov", "rate"]);
        assert_eq!(space.groups(), [vec![0, 3], vec![1], vec![2]]);
        let with = |optimizer: f64| space.point(|at, _| if at == 0 { optimizer } else { 0.0 });
        assert_eq!(with(0.0), [Some(0.0); 4]);
        assert_eq!(with(1.0), [Some(1.0), None, None, Some(0.0)]);
        assert_eq!(space.assign(&with(1.0)).len(), 2);
    }

    #[test]
    fn conditions_that_cannot_hold_are_refused() {
        let of = |written| Space::new(written).unwrap_err().to_string();
        let optimizer = || written("optimizer", choice(&["sgd"]), &[]);
        for (bad, words) in [
            (vec![optimizer(), optimizer()], "is there twice"),
            (
                vec![optimizer(), written("a", choice(&["x"]), &[("b", &["x"])])],
                "is no parameter of this search",
            ),
            (
                vec![
                    optimizer(),
                    written("a", choice(&["x"]), &[("optimizer", &["adam"])]),
                ],
                "which the search never tries",
            ),
            (
                vec![
                    written("a", choice(&["x"]), &[("b", &["x"])]),
                    written("b", choice(&["x"]), &[("a", &["x"])]),
                ],
                "leads back to itself",
            ),
            (
                vec![
                    optimizer(),
                    written("a", choice(&["x"]), &[("optimizer", &[])]),
                ],
                "has no value",
            ),
        ] {
            let error = of(bad);
            assert!(error.contains(words), "{error}");
        }
    }
}
