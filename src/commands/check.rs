//! `fmtui data check`: what is wrong with a data set, and leaving it out.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use super::{answer, complete, download, recipe};
use crate::data::check::{self, Case, Finding, Level, Near, Report, Source, Survey};
use crate::data::{Part, exclude};
use crate::error::{Error, Result};
use crate::headless::{Output, Tint, notice};
use crate::profile::Data;
use crate::run::Workspace;
use crate::text;

/// Between two lines about how far it is.
const PERIOD: Duration = Duration::from_secs(2);

/// Images of a finding that are named.
const NAMED: usize = 5;

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct Arguments {
    /// A data set, or a directory or file as `data add` takes it
    #[arg(add = complete::present(), value_name = "NAME|PATH")]
    what: String,
    /// Exclude broken files, copies, label conflicts and constant images from runs
    #[arg(long)]
    fix: bool,
    /// With --fix: also exclude training images nearly the same as held-out ones
    #[arg(long, requires = "fix")]
    near: bool,
    /// Compare the images' statistics with what this recipe normalises by
    #[arg(long, add = complete::profile(), value_name = "FILE|PRESET|RUN")]
    recipe: Option<String>,
    /// Directories that make up the name of a class, for a directory
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    class_depth: u8,
    /// Name every image
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<u8> {
    let depth = usize::from(arguments.class_depth);
    let source = Source::find(&arguments.what, depth, &workspace.search_path())?;
    if arguments.fix && source.set.is_empty() {
        return Err(Error::input(
            "--fix",
            format!("needs a set, and {} was not added", source.place),
            "add it with `fmtui data add`, then check it by its name",
        ));
    }
    let settings = match &arguments.recipe {
        Some(what) => recipe::find(workspace, what, &[])?.data,
        None => Data::default(),
    };
    let figures = check::figures(&source, &settings);
    let near = if arguments.near {
        Near::Excluded
    } else {
        Near::Kept
    };
    let mut survey = download::cancellable(|cancel| {
        let last = Mutex::new(Instant::now());
        check::survey(source, &|done, all| tell(&last, done, all), cancel)
    })?;
    let path = workspace.exclusions(&survey.source.set);
    let mut list = exclude::List::default();
    if !survey.source.set.is_empty()
        && let Some(there) = exclude::read(&path)?
    {
        survey.leave_out(&there, &path)?;
        list = there;
    }
    let mut report = survey.report(figures.as_ref());
    let mut fixed = 0;
    if arguments.fix {
        let images = survey.superfluous(near);
        fixed = images.len();
        if fixed > 0 {
            for row in survey.exclude(&images)? {
                list.add(row);
            }
            list.write(&path, &survey.source.set)?;
        }
    }
    // What is told is what was found; what is left decides.
    let left = survey.report(figures.as_ref());
    let told = Told {
        survey: &survey,
        report: &report,
        named: if arguments.all { usize::MAX } else { NAMED },
    };
    let mut out = Output::standard();
    if arguments.json {
        report.excluded = left.excluded;
        let path = (left.excluded > 0).then(|| path.display().to_string());
        answer::print(
            &mut out,
            json(&survey.source, &report, fixed, path.as_deref()),
        )?;
        return Ok(u8::from(left.has_problems()));
    }
    told.print(&mut out)?;
    if arguments.fix {
        let path = text::sanitize(&path.display().to_string());
        let what = if fixed > 0 {
            format!(
                "{} excluded in {path}; the files are untouched",
                text::count(fixed, "image")
            )
        } else {
            "nothing to exclude".into()
        };
        out.line(what)?;
        let problems = left.of_level(Level::Problem).count();
        if problems > 0 {
            out.line(format!("{} left", text::count(problems, "problem")))?;
        }
    } else {
        told.advise(&mut out)?;
    }
    Ok(u8::from(left.has_problems()))
}

/// Says how far it is, every two seconds.
pub(super) fn tell(last: &Mutex<Instant>, done: usize, all: usize) {
    if let Ok(mut last) = last.try_lock()
        && last.elapsed() >= PERIOD
    {
        *last = Instant::now();
        let done = text::grouped(done as u64);
        notice(format!("{done} of {}", text::count(all, "image")));
    }
}

/// A report as it is printed.
struct Told<'a> {
    survey: &'a Survey,
    report: &'a Report,
    named: usize,
}

impl Told<'_> {
    fn source(&self) -> &Source {
        &self.survey.source
    }

    fn print(&self, out: &mut Output) -> Result<()> {
        out.line(summary(self.source(), self.report))?;
        for (level, heading) in [(Level::Problem, "problems"), (Level::Note, "notes")] {
            let mut findings = self.report.of_level(level).peekable();
            if findings.peek().is_some() {
                out.line("")?;
                out.tinted(&[(heading.to_owned(), Tint::Bold)])?;
            }
            for finding in findings {
                self.finding(out, finding)?;
            }
        }
        if self.report.findings.is_empty() {
            out.line("nothing is wrong")?;
        }
        out.line("")
    }

    fn finding(&self, out: &mut Output, finding: &Finding) -> Result<()> {
        out.line(&finding.words)?;
        for case in finding.cases.iter().take(self.named) {
            out.line(format!("    {}", case.line(self.source(), finding.kind)))?;
        }
        let more = finding.cases.len().saturating_sub(self.named);
        if more > 0 {
            out.line(format!("    and {} more", text::grouped(more as u64)))?;
        }
        Ok(())
    }

    /// Says what `--fix` would do.
    fn advise(&self, out: &mut Output) -> Result<()> {
        let set = &self.source().set;
        let count = |near| self.survey.superfluous(near).len();
        let (fixed, with_near) = (count(Near::Kept), count(Near::Excluded));
        let command = match (fixed, with_near) {
            (_, 0) => return Ok(()),
            _ if set.is_empty() => {
                let words =
                    "once it is added, `fmtui data check NAME --fix` excludes images from runs";
                return out.line(words);
            }
            (0, _) => format!("`fmtui data check {set} --fix --near`"),
            _ => format!("`fmtui data check {set} --fix`"),
        };
        let first = if fixed > 0 { fixed } else { with_near };
        let more = if fixed > 0 && with_near > fixed {
            format!(", with --near {}", text::grouped(with_near as u64))
        } else {
            String::new()
        };
        let images = text::count(first, "image");
        out.line(format!(
            "{command} excludes {images}{more} from runs; no file is changed"
        ))
    }
}

/// `flowers: 960 training and 240 test images, 5 classes (/home/me/flowers); mean 0.4, deviation 0.2`.
pub(super) fn summary(source: &Source, report: &Report) -> String {
    let name = if source.set.is_empty() {
        String::new()
    } else {
        format!("{}: ", source.set)
    };
    let counts: Vec<String> = [Part::Train, Part::Validation, Part::Test]
        .into_iter()
        .map(|part| {
            (
                report.count(part),
                if part == Part::Train {
                    "training"
                } else {
                    part.name()
                },
            )
        })
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{} {name}", text::grouped(count as u64)))
        .collect();
    let drawn = if report.divided {
        ", one in five drawn for testing as `data add` will"
    } else {
        ""
    };
    let excluded = match report.excluded {
        0 => String::new(),
        count => format!(", {} excluded", text::grouped(count as u64)),
    };
    let figures = if report.mean.is_empty() {
        String::new()
    } else {
        let (mean, std) = (check::numbers(&report.mean), check::numbers(&report.std));
        format!("; mean {mean}, deviation {std}")
    };
    format!(
        "{name}{} images{drawn}{excluded}, {} classes ({}){figures}",
        counts.join(" + "),
        report.classes,
        source.place,
    )
}

fn json(source: &Source, report: &Report, fixed: usize, list: Option<&str>) -> Value {
    let image = |index: u32| {
        json!({
            "split": source.part(index).name(),
            "index": source.path(index).is_none().then(|| source.own_index(index)),
            "path": source.path(index),
            "class": source.class(index),
        })
    };
    let case = |case: &Case| {
        json!({
            "image": case.image.map(image),
            "copy_of": case.copy_of.map(image),
            "note": case.words,
        })
    };
    let finding = |finding: &Finding| {
        json!({
            "kind": finding.kind.key(),
            "level": if finding.level == Level::Problem { "problem" } else { "note" },
            "count": finding.count,
            "message": finding.words,
            "cases": finding.cases.iter().map(case).collect::<Vec<_>>(),
        })
    };
    json!({
        "set": (!source.set.is_empty()).then_some(&source.set),
        "place": source.place,
        "train_images": report.count(Part::Train),
        "validation_images": report.count(Part::Validation),
        "test_images": report.count(Part::Test),
        "classes": source.classes,
        "mean": report.mean,
        "std": report.std,
        "findings": report.findings.iter().map(finding).collect::<Vec<_>>(),
        "excluded": report.excluded,
        "newly_excluded": fixed,
        "list": list,
    })
}
