//! One image: its classes with bars, beside it where the terminal has the colours and the room.

use serde_json::json;

use super::{Arguments, Style, hint};
use crate::commands::answer;
use crate::data::antialias::{Antialias, Scratch};
use crate::data::input::Seen;
use crate::error::Result;
use crate::headless::{Output, Pixels, Table, Tint, draw_bar, notice};
use crate::metrics::class_name;
use crate::run::prediction::{Predictor, Said};
use crate::text::{self, figure};

/// Columns of an image at most.
const COLUMNS: usize = 32;

/// Columns of a class's name at most, and cells of a bar.
const NAME: usize = 20;
const BAR: usize = 18;

/// Predicts an image and prints it.
///
/// # Errors
/// `Input` when it is none; else as [`Predictor::predict`].
pub(super) fn predict(
    mut predictor: Predictor,
    name: &str,
    bytes: &[u8],
    arguments: &Arguments,
    out: &mut Output,
) -> Result<u8> {
    let seen = predictor.see(name, bytes, arguments.invert)?;
    let said = predictor.predict(std::slice::from_ref(&seen))?;
    let Some(said) = said.first() else {
        return Ok(0);
    };
    let ranks = arguments.ranks(predictor.input.classes.len());
    match arguments.style() {
        Style::Json => answer::print(out, to_json(&predictor, name, said, ranks))?,
        Style::Csv => {
            answer::print_csv(out, &[csv_head(ranks)])?;
            answer::print_csv(out, &[csv(&predictor, name, None, said, ranks)])?;
        }
        Style::People => show(&predictor, name, &seen, said, ranks, out)?,
    }
    if predictor.input.looks_inverted(&seen) {
        notice(format!("note: {}", hint(predictor.input.is_light(&seen))));
    }
    Ok(0)
}

/// The keys of docs/cli.md.
pub(super) fn to_json(
    predictor: &Predictor,
    name: &str,
    said: &Said,
    ranks: usize,
) -> serde_json::Value {
    let classes = &predictor.input.classes;
    let ranked = said.ranked();
    let of = |class: &usize| json!({ "class": class_name(classes, *class), "probability": said.probabilities[*class] });
    json!({
        "run": predictor.run,
        "file": name,
        "class": class_name(classes, said.class()),
        "probability": said.probabilities[said.class()],
        "top": ranked.iter().take(ranks).map(of).collect::<Vec<_>>(),
    })
}

pub(super) fn csv_head(ranks: usize) -> String {
    let ranked = (1..=ranks).map(|rank| format!(",class_{rank},probability_{rank}"));
    format!("file,true_class{}", ranked.collect::<String>())
}

pub(super) fn csv(
    predictor: &Predictor,
    name: &str,
    label: Option<usize>,
    said: &Said,
    ranks: usize,
) -> String {
    let classes = &predictor.input.classes;
    let ranked = said.ranked();
    let of = |class: &usize| {
        let name = answer::quoted(&class_name(classes, *class));
        format!(",{name},{}", said.probabilities[*class])
    };
    let label = label.map_or_else(String::new, |class| class_name(classes, class));
    let ranked: String = ranked.iter().take(ranks).map(of).collect();
    format!(
        "{},{}{ranked}",
        answer::quoted(name),
        answer::quoted(&label)
    )
}

fn show(
    predictor: &Predictor,
    name: &str,
    seen: &Seen,
    said: &Said,
    ranks: usize,
    out: &mut Output,
) -> Result<()> {
    let classes = &predictor.input.classes;
    let percent = |class: usize| figure::percent(said.probabilities[class], 2, figure::ANY);
    let ranked: Vec<usize> = said.ranked().into_iter().take(ranks).collect();
    let first = said.class();
    let head = format!("{name}: {}, {}", class_name(classes, first), percent(first));
    if out.columns().is_none() {
        out.line(head)?;
        let mut table = Table::new(&["class", ">probability"]);
        for class in ranked {
            table.row([class_name(classes, class), percent(class)]);
        }
        table.print(out)?;
        return Ok(());
    }
    let names = ranked
        .iter()
        .map(|class| class_name(classes, *class).chars().count());
    let width = names.max().unwrap_or(0).min(NAME);
    let lines: Vec<Vec<(String, Tint)>> = ranked
        .iter()
        .map(|class| {
            let tint = if *class == first {
                Tint::Bold
            } else {
                Tint::Plain
            };
            let shown = text::ellipsis(&class_name(classes, *class), width);
            let bar = draw_bar(said.probabilities[*class], BAR, out.is_ascii());
            vec![
                (format!("{shown:<width$}  {:>8}  ", percent(*class)), tint),
                (bar, Tint::Live),
            ]
        })
        .collect();
    out.line(head)?;
    out.line("")?;
    match out.room_for_pixels() {
        Some(room) => out.beside(&pixels(seen, room.min(COLUMNS)), &lines)?,
        None => lines.iter().try_for_each(|line| out.tinted(line))?,
    }
    out.line("")?;
    out.line(format!(
        "by {} of run {}",
        predictor.used.told(),
        predictor.run
    ))
}

/// An image in so many columns at most, two pixels a cell.
fn pixels(seen: &Seen, room: usize) -> Pixels {
    let (height, width) = (seen.height, seen.width);
    // As wide as it is, or narrower; and no taller than wide.
    let shrink = |side: usize| (side * room).div_ceil(height.max(width)).min(side).max(1);
    let (columns, lines) = (shrink(width), shrink(height).next_multiple_of(2));
    let resize = Antialias::covering_rectangle((height, width), (lines, columns));
    let mut planes = vec![0; seen.channels * lines * columns];
    let scratch = &mut Scratch::default();
    let own = seen.pixels.chunks_exact(height * width);
    for (plane, out) in own.zip(planes.chunks_exact_mut(lines * columns)) {
        resize.apply(plane, out, scratch);
    }
    let area = lines * columns;
    let value =
        |place: usize, channel: usize| planes[channel.min(seen.channels - 1) * area + place];
    let color = |place| [0, 1, 2].map(|channel| value(place, channel));
    Pixels {
        columns,
        colors: (0..area).map(color).collect(),
    }
}
