//! `fmtui show --weights`: what becomes of every array of the file that a recipe begins with.

use serde_json::{Value, json};

use super::answer;
use crate::error::{Error, Result};
use crate::headless::{Output, Table};
use crate::model::pretrained::Reshaping;
use crate::model::{self, Architecture};
use crate::profile::Profile;
use crate::run::{Workspace, pretrained};
use crate::state::shapes;
use crate::text;

/// An array of the network, of the file, or of both.
struct Row {
    own: Option<(String, Vec<usize>)>,
    theirs: Option<(String, Vec<usize>)>,
    outcome: String,
}

/// Prints a line an array, or one JSON object of all.
///
/// # Errors
/// `Input` when the recipe starts from random weights, or with some that are not here or do not fit.
pub(super) fn show(
    workspace: &Workspace,
    profile: &Profile,
    architecture: &Architecture,
    as_json: bool,
    out: &mut Output,
) -> Result<()> {
    let (rows, others) = rows(workspace, profile, architecture)?;
    if as_json {
        let arrays: Vec<Value> = rows.iter().map(Row::json).collect();
        let answer = json!({ "pretrained": profile.model.pretrained, "arrays": arrays });
        return answer::print(out, answer);
    }
    let mut table = Table::new(&["array", "shape", "in the file", "shape there", ""]);
    for row in &rows {
        let cells = |array: &Option<(String, Vec<usize>)>| match array {
            Some((name, shape)) => [name.clone(), text::shape(shape)],
            None => [String::from("–"), String::new()],
        };
        let ([own, shape], [theirs, there]) = (cells(&row.own), cells(&row.theirs));
        table.row([own, shape, theirs, there, row.outcome.clone()]);
    }
    table.print(out)?;
    if !others.is_empty() {
        out.line(others)?;
    }
    Ok(())
}

/// A line an array, and what in the file would fit as well.
fn rows(
    workspace: &Workspace,
    profile: &Profile,
    architecture: &Architecture,
) -> Result<(Vec<Row>, String)> {
    let settings = &profile.model;
    let Some(found) = pretrained::load(workspace, settings)? else {
        return Err(Error::input(
            profile.name.as_str(),
            "starts from random weights",
            "name some: --set model.pretrained=FILE, run:ID or hf:OWNER/NAME",
        ));
    };
    let own = shapes(&architecture.zeros());
    let heads = model::freeze::head(architecture);
    let pairing = found.pair(&settings.pretrained, &own, &heads, settings.keep_head)?;
    let foreign = found.foreign;
    let mut found = shapes(&found.weights);
    let mut rows: Vec<Row> = own
        .into_iter()
        .map(|(name, shape)| {
            let theirs = pairing
                .pairs
                .get(&name)
                .and_then(|name| found.remove_entry(name));
            let how = theirs
                .as_ref()
                .and_then(|(_, there)| Reshaping::between(there, &shape));
            let outcome = match how {
                None => "new",
                Some(Reshaping::Same) => "loaded",
                Some(Reshaping::Folded) => "loaded, three channels added up",
            };
            Row {
                own: Some((name, shape)),
                theirs,
                outcome: outcome.into(),
            }
        })
        .collect();
    rows.extend(found.into_iter().map(|array| Row {
        own: None,
        theirs: Some(array),
        outcome: "skipped".into(),
    }));
    rows.extend(foreign.into_iter().map(|foreign| Row {
        own: None,
        theirs: Some((foreign.name, Vec::new())),
        outcome: format!("skipped: {}", foreign.kind),
    }));
    Ok((rows, pairing.told_others()))
}

impl Row {
    fn json(&self) -> Value {
        let array = |array: &Option<(String, Vec<usize>)>| {
            array
                .as_ref()
                .map(|(name, shape)| json!({ "name": name, "shape": shape }))
        };
        json!({ "array": array(&self.own), "in_file": array(&self.theirs), "outcome": self.outcome })
    }
}
