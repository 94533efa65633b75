//! Images that runs leave out: a list in the workspace, `data/NAME/excluded.tsv`, with a line for each.
//!
//! The images stay where they are, and keep their pooled indices. `fmtui data check --fix` writes the list; anybody may
//! edit it. A run records its SHA-256.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use super::{Dataset, Examples, Part, Store};
use crate::error::{Error, Result};
use crate::{storage, text};

/// The list's name in the set's directory.
pub(crate) const FILE: &str = "excluded.tsv";

/// The largest list that is read. **Units** bytes.
const LARGEST: u64 = 1 << 30;

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub part: Part,
    /// The path below the set's directory, or the number in the split.
    pub image: String,
    /// Of the file as it was added, or of the pixels.
    pub sha256: String,
    /// For people.
    pub reason: String,
}

/// The images that are left out of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List {
    /// By split, number and path.
    rows: BTreeMap<(&'static str, u64, String), Row>,
}

/// Where the list of the set called `name` lies, whether there is one or not. `data_dir` is the workspace's `data/`.
#[must_use]
pub fn path(data_dir: &Path, name: &str) -> PathBuf {
    data_dir.join(name).join(FILE)
}

/// Reads a list; `None` where there is none.
///
/// # Errors
/// `Input` naming the line that is none, or when it cannot be read.
pub fn read(path: &Path) -> Result<Option<List>> {
    if !storage::is_there(path) {
        return Ok(None);
    }
    let text = storage::read_text(path, LARGEST).map_err(|e| {
        let remedy = "mend or delete it";
        Error::input(shown(path), format!("cannot be read: {e}"), remedy)
    })?;
    let mut list = List::default();
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        list.add(Row::read(line).ok_or_else(|| wrong(path, number, "is no excluded image"))?);
    }
    Ok(Some(list))
}

fn shown(path: &Path) -> String {
    text::sanitize(&path.display().to_string())
}

fn wrong(path: &Path, line: usize, problem: &str) -> Error {
    Error::input(
        format!("{}, line {line}", shown(path)),
        problem,
        "write split, image, SHA-256 and reason between tabs, or delete the line",
    )
}

impl Row {
    fn read(line: &str) -> Option<Self> {
        let mut fields = line.splitn(4, '\t');
        let part = fields.next()?;
        let (image, sha256) = (fields.next()?, fields.next()?);
        let is_digest = sha256.len() == 64 && sha256.bytes().all(|b| b.is_ascii_hexdigit());
        let row = Self {
            part: Part::ALL.into_iter().find(|own| own.name() == part)?,
            image: image.to_owned(),
            sha256: sha256.to_ascii_lowercase(),
            reason: fields.next().unwrap_or_default().to_owned(),
        };
        (is_digest && !image.is_empty()).then_some(row)
    }
}

impl List {
    /// Adds a line, in the place of one for the same image.
    pub fn add(&mut self, row: Row) {
        let number = row.image.parse().unwrap_or(u64::MAX);
        let key = (row.part.name(), number, row.image.clone());
        self.rows.insert(key, row);
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Of split, image and SHA-256 of every line, sorted; reasons, comments and their order do not count.
    #[must_use]
    pub fn sha256(&self) -> String {
        let line = |row: &Row| format!("{}\t{}\t{}\n", row.part.name(), row.image, row.sha256);
        let text: String = self.rows.values().map(line).collect();
        storage::sha256(text.as_bytes())
    }

    /// Writes the list of the set called `name`, whole.
    ///
    /// # Errors
    /// `Io` when it cannot be written.
    pub fn write(&self, path: &Path, name: &str) -> Result<()> {
        let directory = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(directory).map_err(|e| Error::io("create", directory, e))?;
        let head = format!(
            "# Images of {name} that runs leave out, by `fmtui data check {name} --fix`. Delete a line, or this file, to use them again.\n\
             # split\timage\tSHA-256\treason\n"
        );
        let line = |row: &Row| {
            let (part, reason) = (row.part.name(), text::sanitize(&row.reason));
            format!("{part}\t{}\t{}\t{reason}\n", row.image, row.sha256)
        };
        let lines = self.rows.values().map(line);
        let text: String = std::iter::once(head).chain(lines).collect();
        storage::commit(path, text.as_bytes())
    }

    /// The pooled indices of the listed images, ascending. `find` gives an image's index and SHA-256.
    ///
    /// # Errors
    /// `Input` naming an image that the set has not, or that is another.
    pub fn places(
        &self,
        path: &Path,
        mut find: impl FnMut(&Row) -> Result<Option<(u32, String)>>,
    ) -> Result<Vec<u32>> {
        let mut places = Vec::with_capacity(self.len());
        for row in self.rows.values() {
            let image = text::sanitize(&format!("{} {}", row.part.name(), row.image));
            let problem = match find(row)? {
                Some((place, sha256)) if sha256 == row.sha256 => {
                    places.push(place);
                    continue;
                }
                Some(_) => format!("names {image}, which is another image than it was"),
                None => format!("names {image}, which is not in the set"),
            };
            return Err(Error::input(
                shown(path),
                problem,
                "delete that line, or the file, and check the set again",
            ));
        }
        places.sort_unstable();
        Ok(places)
    }
}

/// The listed images of a set by their pooled indices, and why each is left out.
///
/// # Errors
/// As [`List::places`].
pub fn reasons(dataset: &Dataset, list: &List, path: &Path) -> Result<BTreeMap<usize, String>> {
    let names = Names::of(dataset);
    let mut reasons = BTreeMap::new();
    list.places(path, |row| {
        let found = names.find(row)?;
        reasons.extend(
            found
                .iter()
                .map(|(index, _)| (*index as usize, row.reason.clone())),
        );
        Ok(found)
    })?;
    Ok(reasons)
}

/// The images of a set by their names in a list.
struct Names<'a> {
    dataset: &'a Dataset,
    /// By split and path; empty where images have no files of their own.
    paths: HashMap<(&'static str, &'a str), usize>,
}

impl<'a> Names<'a> {
    fn of(dataset: &'a Dataset) -> Self {
        let mut paths = HashMap::new();
        for part in Part::ALL {
            let Examples { images, labels } = dataset.part(part);
            let named = (0..labels.len()).map_while(|own| Some((images.name(own)?, own)));
            paths.extend(named.map(|(name, own)| ((part.name(), name), own)));
        }
        Self { dataset, paths }
    }

    /// The index and SHA-256 of a line's image.
    fn find(&self, row: &Row) -> Result<Option<(u32, String)>> {
        let Self { dataset, paths } = self;
        let range = dataset.range(row.part);
        let own = if paths.is_empty() {
            row.image.parse().ok()
        } else {
            paths.get(&(row.part.name(), &*row.image)).copied()
        };
        let Some(own) = own.filter(|own| *own < range.len()) else {
            return Ok(None);
        };
        let index = range.start + own;
        let sha256 = match dataset.part(row.part).images.digest(own) {
            Some(digest) => digest.to_owned(),
            None => storage::sha256(&dataset.image(index)?),
        };
        Ok(u32::try_from(index).ok().map(|index| (index, sha256)))
    }
}

/// The set without the images of a list. They keep their indices and are in no split; a file of its own is not even
/// read. Its SHA-256 is then that of the set's and the list's.
///
/// # Errors
/// As [`List::places`]; `Input` when nothing is left to train on.
pub fn apply(dataset: Dataset, list: &List, path: &Path) -> Result<Dataset> {
    let names = Names::of(&dataset);
    let excluded = list.places(path, |row| names.find(row))?;
    let train = dataset.range(Part::Train);
    let left = train.len() - excluded.partition_point(|index| (*index as usize) < train.end);
    if left == 0 {
        return Err(Error::input(
            shown(path),
            "excludes every training image",
            "delete lines of it, or set data.exclude = \"none\"",
        ));
    }
    let both = format!("{} without {}", dataset.sha256, list.sha256());
    let count = text::count(excluded.len(), "image");
    let are = if excluded.len() == 1 { "is" } else { "are" };
    let remark = format!(
        "{count} of {} {are} excluded ({})",
        dataset.name,
        shown(path)
    );
    let unread = |part: Part| {
        let Examples { images, labels } = dataset.part(part).clone();
        if images.is_decoded() {
            return Examples { images, labels };
        }
        let range = dataset.range(part);
        let own = excluded.iter().map(|index| *index as usize);
        let own = own.filter(|index| range.contains(index));
        let unread = own.map(|index| index - range.start).collect();
        let images = Arc::new(Unread { images, unread });
        Examples { images, labels }
    };
    let (train, test, validation) = (
        unread(Part::Train),
        unread(Part::Test),
        unread(Part::Validation),
    );
    let mut remarks = dataset.remarks.clone();
    remarks.push(remark);
    Ok(Dataset {
        train,
        test,
        validation,
        sha256: storage::sha256(both.as_bytes()),
        remarks,
        excluded,
        ..dataset
    })
}

/// Images in files of their own, some of which are black instead of read.
#[derive(Debug)]
struct Unread {
    images: Arc<dyn Store>,
    /// Ascending.
    unread: Vec<usize>,
}

impl Store for Unread {
    fn size(&self, index: usize) -> (usize, usize) {
        self.images.size(index)
    }

    fn read(&self, index: usize, out: &mut [u8]) -> Result<()> {
        if self.unread.binary_search(&index).is_ok() {
            out.fill(0);
            return Ok(());
        }
        self.images.read(index, out)
    }

    fn announce(&self, index: usize) {
        self.images.announce(index);
    }

    fn is_decoded(&self) -> bool {
        self.images.is_decoded()
    }

    fn is_in_memory(&self) -> bool {
        self.images.is_in_memory()
    }

    fn name(&self, index: usize) -> Option<&str> {
        self.images.name(index)
    }

    fn digest(&self, index: usize) -> Option<&str> {
        self.images.digest(index)
    }

    fn check(&self, index: usize, time: SystemTime) -> Result<()> {
        if self.unread.binary_search(&index).is_ok() {
            return Ok(());
        }
        self.images.check(index, time)
    }

    fn bytes(&self) -> u64 {
        self.images.bytes()
    }
}

#[cfg(test)]
mod tests;
