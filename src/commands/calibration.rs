//! How a run's network is calibrated, as `fmtui show` prints it.

use serde_json::{Value, json};

use crate::metrics::calibration::Reliability;
use crate::metrics::certainty::{Certainty, Tempered};
use crate::text::{self, figure};

fn errors(reliability: &Reliability) -> String {
    let percent = |share| figure::percent(share, 2, figure::ANY);
    format!(
        "ECE {}, MCE {}",
        percent(reliability.ece),
        percent(reliability.mce)
    )
}

/// In a line or two below an empty one, with what files are damaged; none where nothing was kept.
#[must_use]
pub(super) fn lines(certainty: Option<&Certainty>, damaged: &[String]) -> Vec<String> {
    let mut lines = certainty.map_or_else(Vec::new, told);
    lines.extend((!damaged.is_empty()).then(|| format!("note: damaged: {}", damaged.join(", "))));
    if !lines.is_empty() {
        lines.insert(0, String::new());
    }
    lines
}

fn told(certainty: &Certainty) -> Vec<String> {
    let part = certainty.part.name();
    let epoch = certainty.epoch;
    let images = text::count(certainty.images, "image");
    let errors = if certainty.images > 0 {
        let errors = errors(&certainty.reliability);
        format!(": {errors}, {}", certainty.leaning())
    } else {
        String::new()
    };
    let temperature = match &certainty.tempered {
        Ok(tempered) => temperature(tempered),
        Err(why) => format!("no temperature: {why}"),
    };
    let note = Some(certainty.note()).filter(|note| !note.is_empty());
    let first = format!("calibration ({part}, epoch {epoch}, {images}){errors}");
    let mut lines = vec![first, temperature];
    lines.extend(note.map(|note| format!("note: {note}")));
    lines
}

fn temperature(tempered: &Tempered) -> String {
    let value = figure::fixed(tempered.temperature, 3, figure::ANY);
    let images = text::count(tempered.fitted_on, "validation image");
    match &tempered.after {
        Some(after) => {
            let errors = errors(after);
            format!("temperature {value}, fitted on {images}: {errors} with it")
        }
        None => {
            format!("temperature {value}, fitted on these images: judged by the test set alone")
        }
    }
}

/// The figures for programs; null where they are not known.
#[must_use]
pub(super) fn to_json(certainty: Option<&Certainty>) -> Value {
    let Some(certainty) = certainty else {
        return Value::Null;
    };
    let tempered = certainty.tempered.as_ref();
    let after = tempered.ok().and_then(|t| t.after.as_ref());
    let each = certainty.reliability.bins.iter();
    let bins: Vec<Value> = each
        .map(|bin| {
            json!({
                "images": bin.images,
                "confidence": bin.confidence,
                "accuracy": bin.accuracy,
            })
        })
        .collect();
    json!({
        "part": certainty.part.name(),
        "epoch": certainty.epoch,
        "images": certainty.images,
        "left_out": certainty.left_out,
        "accuracy": certainty.accuracy,
        "confidence": certainty.confidence,
        "ece": certainty.reliability.ece,
        "mce": certainty.reliability.mce,
        "bins": bins,
        "temperature": tempered.ok().map(|t| t.temperature),
        "fitted_on": tempered.ok().map(|t| t.fitted_on),
        "ece_after": after.map(|r| r.ece),
        "mce_after": after.map(|r| r.mce),
        "reason": tempered.err().map(ToString::to_string),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::certainty::Unknown;
    use crate::profile::Subset;

    fn certainty(tempered: Result<Tempered, Unknown>) -> Certainty {
        let images = [(0.9, true), (0.9, false), (0.5, true), (0.5, false)];
        Certainty {
            part: Subset::Test,
            epoch: 3,
            is_final: true,
            images: 4,
            left_out: 0,
            accuracy: 0.5,
            confidence: 0.7,
            reliability: Reliability::of(images),
            tempered,
            curves: Err(Unknown::EarlierVersion),
        }
    }

    #[test]
    fn what_is_known_is_told_in_two_lines() {
        let fitted = certainty(Ok(Tempered {
            temperature: 1.5,
            fitted_on: 1,
            after: Some(Reliability::of([(0.6, true), (0.6, false)])),
        }));
        assert_eq!(
            lines(Some(&fitted), &[]),
            [
                "",
                "calibration (test, epoch 3, 4 images): ECE 20.00 %, MCE 40.00 %, overconfident by 20.0 points",
                "temperature 1.500, fitted on 1 validation image: ECE 10.00 %, MCE 10.00 % with it",
            ]
        );
        let shown = to_json(Some(&fitted));
        assert_eq!(shown["temperature"], 1.5);
        assert!((shown["ece"].as_f64().unwrap() - 0.2).abs() < 1e-12);
        assert!((shown["ece_after"].as_f64().unwrap() - 0.1).abs() < 1e-12);
        assert!(shown["bins"][0]["accuracy"].is_null() && shown["reason"].is_null());
    }

    #[test]
    fn what_is_not_known_is_null_and_told_why() {
        let unfitted = certainty(Err(Unknown::NoValidation));
        assert_eq!(
            lines(Some(&unfitted), &[])[2],
            "no temperature: no validation set to fit a temperature on"
        );
        let shown = to_json(Some(&unfitted));
        for key in ["temperature", "fitted_on", "ece_after", "mce_after"] {
            assert!(shown[key].is_null(), "{key}");
        }
        assert_eq!(shown["reason"], "no validation set to fit a temperature on");
        assert!(to_json(None).is_null() && lines(None, &[]).is_empty());
        assert_eq!(
            lines(None, &["predictions-test.bin".into()])[1],
            "note: damaged: predictions-test.bin"
        );
    }
}
