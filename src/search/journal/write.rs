//! Operations as the lines that Optuna reads.

use std::fmt::Write;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{line, replay};
use crate::search::study::{Assigned, Direction, State};

/// What is done to a study.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    CreateStudy {
        name: String,
        directions: Vec<Direction>,
    },
    /// By the user.
    DescribeStudy {
        attribute: (String, Value),
    },
    /// By the program.
    MarkStudy {
        attribute: (String, Value),
    },
    CreateTrial {
        state: State,
        parameters: Vec<Assigned>,
        user: Vec<(String, Value)>,
        system: Vec<(String, Value)>,
    },
    SetParameter {
        trial: usize,
        parameter: Assigned,
    },
    SetState {
        trial: usize,
        state: State,
        values: Vec<f64>,
    },
    Report {
        trial: usize,
        step: i64,
        value: f64,
    },
    /// Of the user's.
    Describe {
        trial: usize,
        attribute: (String, Value),
    },
    /// Of the program's.
    Mark {
        trial: usize,
        attribute: (String, Value),
    },
}

impl Operation {
    /// The line, without its end.
    ///
    /// **Units** `trial` is the id over the journal, `now` seconds since 1970.
    pub(super) fn line(&self, worker: &str, study: usize, now: f64) -> String {
        let mut line = String::from("{");
        let mut put = |key: &str, value: &str| {
            let comma = if line.len() > 1 { "," } else { "" };
            // Writing to a string cannot fail.
            let _ = write!(line, "{comma}\"{key}\":{value}");
        };
        put("op_code", &self.code().to_string());
        put("worker_id", &text(worker));
        match self {
            Self::CreateStudy { name, directions } => {
                put("study_name", &text(name));
                let codes: Vec<u8> = directions
                    .iter()
                    .map(|direction| match direction {
                        Direction::Minimize => 1,
                        Direction::Maximize => 2,
                    })
                    .collect();
                put("directions", &json!(codes).to_string());
            }
            Self::DescribeStudy { attribute } => {
                put("study_id", &study.to_string());
                put("user_attr", &object(std::slice::from_ref(attribute)));
            }
            Self::MarkStudy { attribute } => {
                put("study_id", &study.to_string());
                put("system_attr", &object(std::slice::from_ref(attribute)));
            }
            Self::CreateTrial {
                state,
                parameters,
                user,
                system,
            } => {
                put("study_id", &study.to_string());
                put("datetime_start", &text(&moment(now)));
                put("state", &replay::code(*state).to_string());
                put("value", "null");
                put("values", "null");
                let each = |of: &dyn Fn(&Assigned) -> String| {
                    let parts = parameters.iter();
                    let parts: Vec<String> = parts
                        .map(|parameter| format!("{}:{}", text(&parameter.name), of(parameter)))
                        .collect();
                    format!("{{{}}}", parts.join(","))
                };
                put("distributions", &each(&|p| text(&p.distribution.to_json())));
                put("params", &each(&|p| line::write(p.inside)));
                put("user_attrs", &object(user));
                put("system_attrs", &object(system));
                put("intermediate_values", "{}");
            }
            Self::SetParameter { trial, parameter } => {
                put("trial_id", &trial.to_string());
                put("param_name", &text(&parameter.name));
                put("param_value_internal", &line::write(parameter.inside));
                put("distribution", &text(&parameter.distribution.to_json()));
            }
            Self::SetState {
                trial,
                state,
                values,
            } => {
                put("trial_id", &trial.to_string());
                put("state", &replay::code(*state).to_string());
                let list: Vec<String> = values.iter().map(|v| line::write(*v)).collect();
                let list = match list.len() {
                    0 => "null".into(),
                    _ => format!("[{}]", list.join(",")),
                };
                put("values", &list);
                if *state == State::Running {
                    put("datetime_start", &text(&moment(now)));
                } else if state.is_over() {
                    put("datetime_complete", &text(&moment(now)));
                }
            }
            Self::Report { trial, step, value } => {
                put("trial_id", &trial.to_string());
                put("step", &step.to_string());
                put("intermediate_value", &line::write(*value));
            }
            Self::Describe { trial, attribute } => {
                put("trial_id", &trial.to_string());
                put("user_attr", &object(std::slice::from_ref(attribute)));
            }
            Self::Mark { trial, attribute } => {
                put("trial_id", &trial.to_string());
                put("system_attr", &object(std::slice::from_ref(attribute)));
            }
        }
        line.push('}');
        line
    }

    fn code(&self) -> u8 {
        match self {
            Self::CreateStudy { .. } => 0,
            Self::DescribeStudy { .. } => 2,
            Self::MarkStudy { .. } => 3,
            Self::CreateTrial { .. } => 4,
            Self::SetParameter { .. } => 5,
            Self::SetState { .. } => 6,
            Self::Report { .. } => 7,
            Self::Describe { .. } => 8,
            Self::Mark { .. } => 9,
        }
    }
}

fn text(text: &str) -> String {
    Value::from(text).to_string()
}

fn object(attributes: &[(String, Value)]) -> String {
    let parts = attributes.iter();
    let parts: Vec<String> = parts
        .map(|(key, value)| format!("{}:{value}", text(key)))
        .collect();
    format!("{{{}}}", parts.join(","))
}

/// As Python writes a moment in UTC: microseconds, and an offset.
#[expect(clippy::cast_possible_truncation, reason = "microseconds fit")]
fn moment(seconds: f64) -> String {
    let moment = Timestamp::from_microsecond((seconds * 1e6) as i64).unwrap_or_default();
    moment.strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00").to_string()
}
