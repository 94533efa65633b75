//! `fmtui show`: what a profile or preset builds, or the record of a run.

use clap::Args;

use super::{answer, arrays, calibration, complete, evaluate, recipe, scores, seeds};
use crate::catalog;
use crate::data::{self, Dataset, DatasetInfo};
use crate::error::Result;
use crate::headless::{Output, Table};
use crate::metrics::certainty::Certainty;
use crate::metrics::metric;
use crate::model::summary::{Summary, summarise};
use crate::model::{self, Architecture, Shape, presets};
use crate::profile::{
    EpochRecord, Profile, ResultRecord, Standing, Status, Subset, Weights, settings,
};
use crate::run::evaluation::{self, Evaluated};
use crate::run::{Workspace, example, kept_predictions, memory, preflight, weights_info};
use crate::text::{self, figure};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A profile file, a preset such as lenet5, a run, or a group [default: the list of all presets]
    #[arg(add = complete::profile(), value_name = "FILE|PRESET|RUN|GROUP")]
    what: Option<String>,
    /// Override a setting, such as `model.hidden=[50,20]`; repeatable
    #[arg(add = complete::setting(), long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print one JSON object
    #[arg(long, conflicts_with = "toml")]
    json: bool,
    /// Print the profile as TOML with comments
    #[arg(long)]
    toml: bool,
    /// Print how each pretrained tensor maps onto the network
    #[arg(long, conflicts_with = "toml")]
    weights: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let mut out = Output::standard();
    let Some(what) = &arguments.what else {
        return list_presets(arguments.json, &mut out).map(|()| 0);
    };
    let mut profile = match recipe::look(workspace, what, &arguments.set) {
        Ok(profile) => profile,
        Err(error) => match workspace.group(what)? {
            Some(group) if arguments.set.is_empty() && !arguments.toml && !arguments.weights => {
                seeds::show(group, arguments.json, &mut out)?;
                return Ok(0);
            }
            _ => return Err(error),
        },
    };
    if !arguments.set.is_empty() {
        // What a run of it would be, not what one was.
        profile = profile.recipe();
    }
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

fn list_presets(json: bool, out: &mut Output) -> Result<()> {
    let mut table = Table::new(&["preset", "group", "what it is"]);
    for preset in presets::all() {
        if json {
            let answer = serde_json::json!({
                "name": preset.name,
                "group": preset.group,
                "title": preset.title,
                "year": preset.year,
            });
            answer::print(out, answer)?;
        }
        table.row([preset.name, preset.group, preset.title].map(String::from));
    }
    if json {
        return Ok(());
    }
    table.print(out).map(drop)
}

/// The set the profile names; where only its shape is of interest, the built-in part of the default set will do for all
/// of it.
fn dataset(workspace: &Workspace, name: &str) -> Result<Dataset> {
    data::locate::load(name, &workspace.search_path()).or_else(|e| {
        if name == catalog::DEFAULT {
            data::mini::load()
        } else {
            Err(e)
        }
    })
}

/// What is known of a published set that is not here.
fn absent(workspace: &Workspace, name: &str) -> Option<DatasetInfo> {
    let found = data::locate::available(&workspace.search_path());
    let is_here = name == catalog::DEFAULT || found.iter().any(|found| found.name == name);
    DatasetInfo::by_name(name).filter(|_| !is_here)
}

/// What a profile builds.
fn network(workspace: &Workspace, profile: &Profile) -> Result<Architecture> {
    if let Some(info) = absent(workspace, &profile.data.name) {
        let input = profile.data.input(info.shape());
        return model::resolve(&profile.model, input, info.classes);
    }
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
        let card = weights_info::card(workspace, &profile.model);
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
    layers_table(&summary).print(out)?;
    out.line("")?;
    if !profile.model.pretrained.is_empty() {
        out.line(format!("initialised from {}", profile.model.pretrained))?;
        for (what, is) in weights_info::card(workspace, &profile.model) {
            out.line(format!("  {what:<10}  {is}"))?;
        }
        out.line("")?;
    }
    let (learns, at_first) = (profile.learning(), !profile.model.unfreeze.is_empty());
    let data = &profile.data;
    let how = match absent(workspace, &data.name) {
        Some(_) => format!(" (not here; fmtui data fetch {})", data.name),
        None => String::new(),
    };
    out.line(format!("{:<12}  {}{how}", "data", data.name))?;
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
        "{} parameters{} · {} multiply-adds (MACs) per image",
        text::grouped(summary.parameters),
        trained_of(&summary, at_first),
        text::grouped(summary.multiply_adds)
    ))?;
    out.line(format!(
        "about {} of memory to train with batches of {}",
        text::bytes(summary.memory_bytes(&profile.train)),
        profile.train.batch_size
    ))
}

/// How many parameters are trained, where that is not all.
fn trained_of(summary: &Summary, at_first: bool) -> String {
    if summary.trained_parameters == summary.parameters && !at_first {
        return String::new();
    }
    let at_first = if at_first { " at first" } else { "" };
    let trained = text::grouped(summary.trained_parameters);
    format!(", {trained} of them trained{at_first}")
}

fn layers_table(summary: &Summary) -> Table {
    let mut table = Table::new(&["layer", "kind", "output", ">parameters", ">MACs"]);
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

/// A record, with what was measured later.
#[derive(serde::Serialize)]
struct Record<'a> {
    #[serde(flatten)]
    profile: &'a Profile,
    calibration: serde_json::Value,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    evaluations: Vec<serde_json::Value>,
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
    let id = profile.run.as_ref().map_or("", |run| &run.id);
    let evaluations = evaluation::kept(workspace, id);
    let (certainty, damaged) = certainty(workspace, &profile, id)?;
    if json {
        let each = evaluations.iter().map(|e| evaluate::to_json(id, e));
        let shown = Record {
            profile: &profile,
            calibration: calibration::to_json(certainty.as_ref()),
            evaluations: each.collect(),
        };
        return out.json(&shown);
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
        history_table(&profile).print(out)?;
    }
    if let Some(result) = &profile.result {
        show_scores(&profile, result, out)?;
    }
    for line in calibration::lines(certainty.as_ref(), &damaged) {
        out.line(line)?;
    }
    show_evaluations(&profile, &evaluations, out)
}

/// What the run's predictions say of its weights, and which of their files are damaged.
fn certainty(
    workspace: &Workspace,
    profile: &Profile,
    id: &str,
) -> Result<(Option<Certainty>, Vec<String>)> {
    let home = example::home(workspace, id)?;
    let weights = profile.weights().map(Weights::epoch);
    Ok(kept_predictions::certainty(&home, id, weights))
}

/// What was measured later, on other data or parts: never the run's own scores.
fn show_evaluations(profile: &Profile, each: &[Evaluated], out: &mut Output) -> Result<()> {
    if each.is_empty() {
        return Ok(());
    }
    out.line("")?;
    out.line("evaluated later:")?;
    let result = profile.result.as_ref();
    let mut table = Table::new(&[
        "data",
        "split",
        ">images",
        ">accuracy",
        ">macro F1",
        ">loss",
        "weights",
        "when",
    ]);
    for evaluated in each {
        let Some(measured) = &evaluated.scores else {
            continue;
        };
        let figure =
            |key| metric(key).map_or_else(String::new, |m| m.text(measured, 2, figure::ANY));
        let epoch = evaluated
            .epoch
            .map_or_else(String::new, |epoch| format!(", epoch {epoch}"));
        let is_now = result.is_none_or(|r| {
            let now = [&r.best_file_sha256, &r.last_file_sha256];
            now[0].is_empty() || now.contains(&&evaluated.weights_sha256)
        });
        let earlier = if is_now { "" } else { " (earlier ones)" };
        table.row([
            evaluated.data.clone(),
            evaluated.part.clone(),
            text::grouped(evaluated.images as u64),
            figure("accuracy"),
            figure("macro_f1"),
            figure("loss"),
            format!("{}{epoch}{earlier}", evaluated.weights),
            text::local(&evaluated.at),
        ]);
    }
    table.print(out).map(drop)
}

fn show_scores(profile: &Profile, result: &ResultRecord, out: &mut Output) -> Result<()> {
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
    scores::table(&parts).print(out)?;
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
    facts.push(("initialised from", profile.model.pretrained.clone()));
    facts.extend(profile.learning());
    if let Some(run) = &profile.run {
        facts.extend([
            ("run", run.id.clone()),
            ("status", run.status.name().into()),
            ("started", text::local(&run.started)),
            ("finished", text::local(&run.finished)),
            ("host", run.host.clone()),
            (
                "device",
                format!(
                    "{}, {}, {}",
                    run.device,
                    text::count(run.threads, "thread"),
                    run.kernels
                ),
            ),
            ("backend", run.backend.clone()),
            ("fmtui", format!("{} {}", run.version, run.revision)),
            ("data hash", run.data_sha256.clone()),
            ("pixel hash", run.pixels_sha256.clone()),
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
            ("SHA-256", result.weights_sha256.clone()),
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
    facts.retain(|(_, value)| !value.trim().is_empty());
    let widest = facts.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    facts
        .into_iter()
        .map(|(name, value)| format!("{name:<widest$}  {}", value.trim()))
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
        "{} (train − {subset} accuracy, {})",
        figure::points(standing.gap(), figure::ANY),
        standing.weights.long()
    )
}

fn history_table(profile: &Profile) -> Table {
    let held_out = match Subset::held_out(profile.curve_is_test()) {
        Subset::Test => [">test loss", ">test acc."],
        _ => [">val. loss", ">val. acc."],
    };
    let best = profile.best_epoch().map(|e| e.epoch);
    let mut table = Table::new(&[
        ">epoch",
        ">train loss",
        ">train acc.",
        held_out[0],
        held_out[1],
        ">learning rate",
        ">time",
        "",
    ]);
    let percent = |share| figure::percent(share, 2, figure::ANY);
    for e in &profile.history {
        // Nothing was evaluated where there is no accuracy.
        let is_unknown = e.held_out_accuracy.is_nan();
        let known = |text: String| if is_unknown { "–".into() } else { text };
        table.row([
            e.epoch.to_string(),
            figure::loss(e.train_loss, figure::ANY),
            percent(e.train_accuracy),
            known(figure::loss(e.held_out_loss, figure::ANY)),
            known(percent(e.held_out_accuracy)),
            figure::learning_rate(e.learning_rate, figure::ANY),
            text::seconds(e.seconds),
            if best == Some(e.epoch) { "best" } else { "" }.into(),
        ]);
    }
    table
}
