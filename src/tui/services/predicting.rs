//! What a run's network says of an image of one's own.

use std::path::Path;

use super::Services;
use crate::error::{Error, Result};
use crate::run::prediction::{Predicted, Predictor, read};
use crate::run::{Workspace, example};
use crate::storage;
use crate::tui::message::Message;

impl Services {
    /// Predicts an image and tells what came of it.
    pub(crate) fn predict(&self, run: String, path: String, is_inverted: bool) {
        let workspace = self.workspace.clone();
        self.blocking(move || {
            let predicted = predict(&workspace, &run, Path::new(&path), is_inverted);
            let outcome = predicted.map(Box::new).map_err(|e| {
                let remedy = e.remedy().unwrap_or_default().to_owned();
                match e {
                    Error::Input {
                        subject, problem, ..
                    } => (format!("{subject} {problem}"), remedy),
                    other => (other.to_string(), remedy),
                }
            });
            Ok(Message::Predicted {
                run,
                path,
                is_inverted,
                outcome,
            })
        });
    }
}

fn predict(workspace: &Workspace, run: &str, path: &Path, is_inverted: bool) -> Result<Predicted> {
    if example::home(workspace, run)? != *workspace {
        return Err(Error::input(
            format!("run {run}"),
            "is built in and has no weights",
            "open a run of your own on the Runs tab",
        ));
    }
    let bytes = read(&storage::expand_home(path))?;
    let mut predictor = Predictor::load(workspace, run)?;
    predictor.predict_file(&path.display().to_string(), &bytes, is_inverted)
}
