//! One CSV file: a row for each image, its label and its pixels in columns.
//!
//! Rows are read one after the other; neither a row nor all of them may take more than is allowed, whatever a packed
//! file would inflate to.

use std::io::{self, BufRead, Read};

use csv::{ByteRecord, ReaderBuilder, Trim};

use crate::data::formats::content::Split;
use crate::data::formats::origin::{self, LARGEST, Origin};
use crate::error::Result;

/// **Units** bytes of the longest line: an image of 1000×1000 in colour takes 12 MB.
const LONGEST_LINE: usize = 64 << 20;

/// The column of labels, by its name in the first row.
const LABEL: &str = "label";

/// Reads a file of `length` bytes as it lies there, perhaps compressed; and whether its first row names the columns.
///
/// # Errors
/// `Input` where a row is not a label and the pixels of a square image, naming the row; as reading has.
pub(super) fn read(reader: impl BufRead, length: u64, origin: &Origin) -> Result<(Split, bool)> {
    let (reader, _) = origin::inflated(reader, length, origin)?;
    let lines = Lines { reader, length: 0 };
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .trim(Trim::All)
        .from_reader(lines);
    let mut row = ByteRecord::new();
    let mut table = None::<Table>;
    loop {
        let is_there = reader
            .read_byte_record(&mut row)
            .map_err(|e| csv_error(e, origin))?;
        if !is_there {
            break;
        }
        let line = row.position().map_or(0, csv::Position::line);
        match &mut table {
            Some(table) => table.add(&row, line, origin)?,
            None => table = Some(Table::begin(&row, origin)?),
        }
    }
    let table = table.filter(|table| !table.labels.is_empty());
    let table = table.ok_or_else(|| origin.error("is empty"))?;
    let split = Split {
        shape: table.shape,
        pixels: table.pixels,
        labels: table.labels,
        images_in: origin.clone(),
        labels_in: origin.clone(),
    };
    Ok((split, table.has_names))
}

/// The rows so far.
struct Table {
    has_names: bool,
    /// The column of labels.
    label: usize,
    shape: [usize; 3],
    pixels: Vec<u8>,
    labels: Vec<i64>,
}

impl Table {
    /// By the first row: the names of the columns, or the first image with its label first.
    fn begin(row: &ByteRecord, origin: &Origin) -> Result<Self> {
        let has_names = row.iter().any(|field| number(field).is_none());
        let label = if has_names {
            row.iter()
                .position(|name| name.eq_ignore_ascii_case(LABEL.as_bytes()))
                .ok_or_else(|| {
                    origin.error(format!(
                        "has no column {LABEL} among those that its first row names"
                    ))
                })?
        } else {
            0
        };
        let values = row.len().saturating_sub(1);
        let shape = shape(values).ok_or_else(|| {
            origin.error(format!(
                "has {values} columns of pixels, which make no square image of 1 or 3 channels"
            ))
        })?;
        let mut table = Self {
            has_names,
            label,
            shape,
            pixels: Vec::new(),
            labels: Vec::new(),
        };
        if !has_names {
            table.add(row, 1, origin)?;
        }
        Ok(table)
    }

    fn add(&mut self, row: &ByteRecord, line: u64, origin: &Origin) -> Result<()> {
        let text = |field: &[u8]| {
            let field = String::from_utf8_lossy(field).into_owned();
            crate::text::ellipsis(&crate::text::sanitize(&field), 20)
        };
        if (self.pixels.len() + row.len()) as u64 > LARGEST {
            return Err(origin.error("holds more than 4 GiB of images"));
        }
        self.pixels
            .try_reserve(row.len())
            .map_err(|_| origin.too_large())?;
        for (column, field) in row.iter().enumerate() {
            let number = number(field);
            if column == self.label {
                self.labels.push(number.ok_or_else(|| {
                    origin.error(format!(
                        "has the label {:?} in line {line}; labels are whole numbers",
                        text(field)
                    ))
                })?);
                continue;
            }
            let pixel = number.and_then(|number| u8::try_from(number).ok());
            self.pixels.push(pixel.ok_or_else(|| {
                origin.error(format!(
                    "has the value {:?} in line {line}; pixels are whole numbers from 0 to 255",
                    text(field)
                ))
            })?);
        }
        Ok(())
    }
}

fn number(field: &[u8]) -> Option<i64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// Of square images of so many values: grey, else three planes.
fn shape(values: usize) -> Option<[usize; 3]> {
    let side = |area: usize| {
        let side = area.isqrt();
        (side > 0 && side * side == area).then_some(side)
    };
    if let Some(side) = side(values) {
        return Some([1, side, side]);
    }
    let side = side(values / 3).filter(|_| values.is_multiple_of(3))?;
    Some([3, side, side])
}

fn csv_error(error: csv::Error, origin: &Origin) -> crate::error::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(e) => origin.read_error(e),
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let line = pos.map_or(0, |pos| pos.line());
            origin.error(format!(
                "has {len} columns in line {line} where the first has {expected_len}"
            ))
        }
        other => origin.error(format!("is damaged ({other:?})")),
    }
}

/// A stream whose lines are not too long to be kept in memory.
struct Lines<R> {
    reader: R,
    /// Bytes since the last end of a line.
    length: usize,
}

impl<R: Read> Read for Lines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let read = &buffer[..count];
        self.length = match read.iter().rposition(|byte| *byte == b'\n') {
            Some(last) => count - last - 1,
            None => self.length + count,
        };
        if self.length > LONGEST_LINE {
            return Err(io::Error::other("a line is longer than 64 MiB"));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
