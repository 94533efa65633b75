//! `fmtui show`: what a profile or preset builds, or the record of a run.

use clap::Args;

use super::{answer, arrays, recipe};
use crate::catalog;
use crate::data::{self, Dataset};
use crate::error::Result;
use crate::headless::{Output, Table};
use crate::metrics::{METRICS, Scores};
use crate::model::summary::{Summary, summarise};
use crate::model::{Architecture, Shape};
use crate::profile::{EpochRecord, Profile, ResultRecord, Standing, Status, Subset, settings};
use crate::run::{Workspace, card, memory, preflight};
use crate::text::{self, figure};

#[derive(Debug, Args)]
pub struct Arguments {
    /// A profile's file, a preset such as lenet5, or a run
    #[arg(value_name = "FILE|PRESET|RUN")]
    what: String,
    /// Change a setting, such as model.hidden=[50,20]; may be given several times
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print one JSON object
    #[arg(long, conflicts_with = "toml")]
    json: bool,
    /// Print the profile itself, with what every setting means
    #[arg(long)]
    toml: bool,
    /// Print what becomes of every array of the weights that it begins with
    #[arg(long, conflicts_with = "toml")]
    weights: bool,
}

pub fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let profile = recipe::look(workspace, &arguments.what, &arguments.set)?;
    let mut out = Output::standard();
    if arguments.toml {
        out.toml(&settings::commented(&profile.to_toml()))?;
    } else if arguments.weights {
        let architecture = network(workspace, &profile)?;
        arrays::show(workspace, &profile, &architecture, arguments.json, &mut out)?;
    } else if profile.run.is_some() {
        show_record(workspace, profile, arguments.json, &mut out)?;
    } else {
        show_layers(workspace, &profile, arguments.json, &mut out)?;
    }
    Ok(0)
}

/// The set the profile names; where only its shape is of interest, the built-in part of the default set will do for all of it.
fn dataset(workspace: &Workspace, name: &str) -> Result<Dataset> {
    data::source::load(name, &workspace.search_path()).or_else(|e| {
        if name == catalog::DEFAULT {
            data::mini::load()
        } else {
            Err(e)
        }
    })
}

/// What a profile builds.
fn network(workspace: &Workspace, profile: &Profile) -> Result<Architecture> {
    let dataset = dataset(workspace, &profile.data.name)?;
    let mut profile = profile.clone();
    if dataset.name != profile.data.name {
        // It does not tell whether the other can be split so.
        (profile.data.validation, profile.data.per_class) = (0.0, 0);
        profile.train.test = true;
    }
    preflight::resolve(&profile, &dataset.into())
}

fn show_layers(
    workspace: &Workspace,
    profile: &Profile,
    json: bool,
    out: &mut Output,
) -> Result<()> {
    let architecture = network(workspace, profile)?;
    let input = architecture.input;
    preflight::check_frozen(profile, &architecture)?;
    let summary = summarise(&architecture).with_frozen(&architecture, &profile.model.freeze)?;
    if json {
        let mut shown = layers_json(profile, input, &summary);
        let card = card::card(workspace, &profile.model);
        if !card.is_empty() {
            shown["weights"] = card
                .into_iter()
                .map(|(what, is)| (what.to_string(), serde_json::Value::String(is)))
                .collect();
        }
        return answer::print(out, shown);
    }
    out.line(format!(
        "{} · {} · input {input}",
        profile.name, profile.model.architecture
    ))?;
    out.line("")?;
    for line in layers_table(&summary).lines() {
        out.line(line)?;
    }
    out.line("")?;
    if !profile.model.pretrained.is_empty() {
        out.line(format!("begins with {}", profile.model.pretrained))?;
        for (what, is) in card::card(workspace, &profile.model) {
            out.line(format!("  {what:<10}  {is}"))?;
        }
        out.line("")?;
    }
    let (learns, at_first) = (profile.learning(), !profile.model.unfreeze.is_empty());
    let data = &profile.data;
    out.line(format!("{:<12}  {}", "data", data.name))?;
    out.line(format!(
        "{:<12}  {}",
        "normalised",
        data.normalization_told()
    ))?;
    for (what, is) in &learns {
        out.line(format!("{what:<12}  {is}"))?;
    }
    out.line("")?;
    out.line(format!(
        "{} parameters, {} of them trained{} · {} multiply-adds a picture · about {} to train with batches of {}",
        text::grouped(summary.parameters),
        text::grouped(summary.trained_parameters),
        if at_first { " at first" } else { "" },
        text::grouped(summary.multiply_adds),
        text::bytes(summary.memory_bytes(&profile.train)),
        profile.train.batch_size
    ))
}

fn layers_table(summary: &Summary) -> Table {
    let mut table = Table::new(&["layer", "kind", "output", ">parameters", ">multiply-adds"]);
    for row in &summary.rows {
        table.row([
            format!("{}{}", "  ".repeat(row.depth), row.name),
            if row.frozen {
                format!("{} · frozen", row.kind)
            } else {
                row.kind.clone()
            },
            row.output.to_string(),
            text::grouped(row.parameters),
            text::grouped(row.multiply_adds),
        ]);
    }
    table
}

fn layers_json(profile: &Profile, input: Shape, summary: &Summary) -> serde_json::Value {
    let rows: Vec<_> = summary
        .rows
        .iter()
        .map(|row| {
            serde_json::json!({
                "name": row.name,
                "kind": row.kind,
                "output": row.output.to_string(),
                "parameters": row.parameters,
                "multiply_adds": row.multiply_adds,
                "depth": row.depth,
                "frozen": row.frozen,
            })
        })
        .collect();
    serde_json::json!({
        "name": profile.name,
        "architecture": profile.model.architecture,
        "input": input.to_string(),
        "layers": rows,
        "parameters": summary.parameters,
        "trained_parameters": summary.trained_parameters,
        "multiply_adds": summary.multiply_adds,
        "memory_bytes": summary.memory_bytes(&profile.train),
    })
}

fn show_record(
    workspace: &Workspace,
    mut profile: Profile,
    json: bool,
    out: &mut Output,
) -> Result<()> {
    workspace.add_history(&mut profile);
    if let Some(run) = &mut profile.run {
        run.status = workspace.live_status(&run.id, run.status);
    }
    if json {
        return out.json(&profile);
    }
    for line in facts(&profile) {
        out.line(line)?;
    }
    let lost = profile.run.as_ref().filter(|r| r.status == Status::Lost);
    if let Some(cause) = lost.and_then(|run| memory::cause_of_death(workspace, &run.id)) {
        out.line(format!("note: its worker {cause}"))?;
    }
    if !profile.history.is_empty() {
        out.line("")?;
        for line in history_table(&profile).lines() {
            out.line(line)?;
        }
    }
    let Some(result) = &profile.result else {
        return Ok(());
    };
    out.line("")?;
    if let Some(weights) = profile
        .weights()
        .filter(|_| result.is_scored(profile.is_tested()))
    {
        out.line(format!("by {}:", weights.long()))?;
    }
    let parts = [
        ("train", &result.train),
        ("validation", &result.validation),
        ("test", &result.test),
    ];
    for line in scores_table(&parts).lines() {
        out.line(line)?;
    }
    if let Some(why) = profile.untested() {
        out.line(format!("no test scores: {why}"))?;
    }
    Ok(())
}

fn facts(profile: &Profile) -> Vec<String> {
    let mut facts: Vec<(&str, String)> = vec![
        ("name", profile.name.clone()),
        ("architecture", profile.model.architecture.clone()),
        ("data", profile.data.name.clone()),
        ("normalised", profile.data.normalization_told()),
    ];
    facts.push(("begins with", profile.model.pretrained.clone()));
    facts.extend(profile.learning());
    if let Some(run) = &profile.run {
        facts.extend([
            ("run", run.id.clone()),
            ("status", run.status.name().into()),
            ("started", run.started.clone()),
            ("finished", run.finished.clone()),
            ("host", run.host.clone()),
            (
                "device",
                format!("{}, {} threads, {}", run.device, run.threads, run.kernels),
            ),
            ("backend", run.backend.clone()),
            ("fmtui", format!("{} {}", run.version, run.revision)),
            ("data hash", run.data_sha256.clone()),
            ("error", run.error.clone()),
        ]);
        for i in &run.interventions {
            facts.push(match i.what.as_str() {
                "stop" => ("stopped", format!("after step {}", i.step)),
                what => (
                    "changed",
                    format!("{what} → {} before step {}", i.value, i.step + 1),
                ),
            });
        }
    }
    if let Some(result) = &profile.result {
        facts.extend([
            ("parameters", trained(result)),
            ("time", text::seconds(result.seconds)),
            ("memory", text::bytes(result.peak_memory_bytes)),
            ("weights", result.weights_sha256.clone()),
            ("note", result.note.clone()),
            ("verdict", result.verdict().unwrap_or_default()),
        ]);
    }
    if let Some(best) = profile.best_epoch() {
        facts.push(("best epoch", best_epoch(profile, best)));
    }
    if let Some(standing) = profile.standing() {
        facts.push(("gap", gap(&standing)));
    }
    facts
        .into_iter()
        .filter(|(_, value)| !value.trim().is_empty())
        .map(|(name, value)| format!("{name:<13} {}", value.trim()))
        .collect()
}

/// All weights, and how many of them were trained where that is not all; older records do not tell.
fn trained(result: &ResultRecord) -> String {
    let all = text::grouped(result.parameters);
    match result.trained_parameters {
        0 => all,
        trained if trained == result.parameters => all,
        trained => format!("{all}, trained {}", text::grouped(trained)),
    }
}

/// Which epoch `best.safetensors` holds, and by what where that is not the curve.
fn best_epoch(profile: &Profile, best: &EpochRecord) -> String {
    if profile.curve_is_test() {
        format!("{} (lowest training loss)", best.epoch)
    } else {
        best.epoch.to_string()
    }
}

/// Training less held-out accuracy, and of which weights.
fn gap(standing: &Standing) -> String {
    let subset = standing.subset.name();
    format!(
        "{} (train − {subset} accuracy by {})",
        figure::points(standing.gap(), figure::ANY),
        standing.weights.long()
    )
}

fn history_table(profile: &Profile) -> Table {
    let held_out = match Subset::held_out(profile.curve_is_test()) {
        Subset::Test => [">test loss", ">test accuracy"],
        _ => [">validation loss", ">validation accuracy"],
    };
    let best = profile.best_epoch().map(|e| e.epoch);
    let mut table = Table::new(&[
        ">epoch",
        ">train loss",
        ">train accuracy",
        held_out[0],
        held_out[1],
        ">learning rate",
        ">time",
        "",
    ]);
    let percent = |share| figure::percent(share, 2, figure::ANY);
    for e in &profile.history {
        table.row([
            e.epoch.to_string(),
            figure::loss(e.train_loss, figure::ANY),
            percent(e.train_accuracy),
            figure::loss(e.held_out_loss, figure::ANY),
            percent(e.held_out_accuracy),
            figure::learning_rate(e.learning_rate, figure::ANY),
            text::seconds(e.seconds),
            if best == Some(e.epoch) { "best" } else { "" }.into(),
        ]);
    }
    table
}

/// A row a metric, a column a part.
fn scores_table(parts: &[(&str, &Option<Scores>)]) -> Table {
    let measured: Vec<(&str, &Scores)> = parts
        .iter()
        .filter_map(|(name, scores)| Some((*name, scores.as_ref()?)))
        .collect();
    let names: Vec<String> = measured
        .iter()
        .map(|(name, _)| format!(">{name}"))
        .collect();
    let head: Vec<&str> = std::iter::once("")
        .chain(names.iter().map(String::as_str))
        .collect();
    let mut table = Table::new(&head);
    for metric in METRICS {
        let figures = measured
            .iter()
            .map(|(_, scores)| metric.text(scores, 2, figure::ANY));
        table.row(std::iter::once(metric.label.to_owned()).chain(figures));
    }
    table
}
