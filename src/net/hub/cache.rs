//! What was fetched from the hub and where it lies: `models--OWNER--NAME/COMMIT/FILE` (hf-hub's name of a repository),
//! each with a record of its source.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::reference::{Pattern, Reference, SCHEME, is_hex};
use super::{Part, part};
use crate::error::{Error, Result};
use crate::{storage, text};

/// In place of a hub's name, where a file was taken from the cache that other programs keep.
pub(super) const SHARED: &str = "the shared cache";

/// **Units** bytes of the longest record of a source, or name of a commit, that is read; they have some hundred.
const LONGEST_NOTE: u64 = 64 << 10;

/// Where a file in the cache came from; written beside it once it is whole and verified.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `owner/name`.
    pub repository: String,
    /// The branch, tag or commit that was asked for.
    pub revision: String,
    pub commit: String,
    pub file: String,
    /// Names of the tensors that were taken begin so; empty for the whole file.
    pub part: String,
    pub bytes: u64,
    pub sha256: String,
    /// Whether the hub vouches for this SHA-256, or for that of the whole file that the part was cut out of; else it is
    /// that of what came.
    pub vouched: bool,
    pub endpoint: String,
    /// UTC.
    pub fetched: String,
    /// As its card says it; empty where it does not.
    pub licence: String,
    pub datasets: Vec<String>,
}

impl Pattern {
    /// A commit may be named by its first digits.
    #[must_use]
    pub fn matches(&self, source: &Source) -> bool {
        let of_revision = |given: &String| {
            source.revision == *given || given.len() >= 7 && source.commit.starts_with(given)
        };
        source.repository == self.repository
            && self.revision.as_ref().is_none_or(of_revision)
            && self.file.as_ref().is_none_or(|file| source.file == *file)
    }
}

impl Source {
    /// The file's name at its commit.
    #[must_use]
    pub fn reference(&self) -> String {
        let name = format!("{SCHEME}{}@{}:{}", self.repository, self.commit, self.file);
        Reference::parse(&name).map_or(name, |reference| reference.to_string())
    }

    /// What was verified of it, in words.
    #[must_use]
    pub fn verified(&self) -> String {
        match (self.vouched, self.part.as_str()) {
            (true, "") if self.endpoint == SHARED => {
                "verified: SHA-256 given by the Hugging Face cache".into()
            }
            (true, "") => "verified: SHA-256 given by the hub".into(),
            (true, _) => "verified: part of a file whose SHA-256 the hub gives".into(),
            (false, "") => "unverified: the hub gives no SHA-256 for it".into(),
            (false, _) => format!(
                "unverified: checksums exist for whole files only; to verify it, download the whole file: fmtui weights fetch {}",
                self.reference()
            ),
        }
    }
}

/// A verified file in the cache.
#[derive(Clone, Debug, PartialEq)]
pub struct Cached {
    pub path: PathBuf,
    pub source: Source,
}

impl Cached {
    /// Looks whether every byte is still what was fetched.
    ///
    /// # Errors
    /// `Input` when it was changed since, `Io` when it cannot be read.
    pub fn verify(&self) -> Result<()> {
        verify(&self.path, &self.source)
    }
}

/// The cache of a workspace.
#[derive(Clone, Debug)]
pub struct Cache {
    pub root: PathBuf,
}

impl Cache {
    pub(super) fn repository(&self, reference: &Reference) -> PathBuf {
        self.root.join(reference.repo().folder_name())
    }

    /// Where a file of a commit lies once it is there and verified.
    pub(super) fn path(&self, reference: &Reference, commit: &str, part: Part) -> PathBuf {
        let path = self
            .repository(reference)
            .join(commit)
            .join(&reference.file);
        match part {
            Part::Whole => path,
            Part::Named(prefix) => part_path(&path, prefix),
        }
    }

    /// The file as it was fetched, if it is there and still what it was: the part where that is wanted, else the whole.
    /// Opens no socket.
    ///
    /// # Errors
    /// `Input` when it was changed since, `Io` when it cannot be read.
    pub fn find(&self, reference: &Reference, part: Part) -> Result<Option<Cached>> {
        match self.commit_of(reference) {
            Some(commit) => self.at_commit(reference, &commit, part),
            None => Ok(None),
        }
    }

    /// The same without a look into the file.
    #[must_use]
    pub fn look(&self, reference: &Reference, part: Part) -> Option<Cached> {
        let commit = self.commit_of(reference)?;
        let mut places = [part, Part::Whole].into_iter();
        places.find_map(|part| self.entry(reference, &commit, part))
    }

    fn commit_of(&self, reference: &Reference) -> Option<String> {
        if reference.is_pinned() {
            return Some(reference.revision.clone());
        }
        self.remembered(reference)
    }

    pub(super) fn at_commit(
        &self,
        reference: &Reference,
        commit: &str,
        part: Part,
    ) -> Result<Option<Cached>> {
        let cached = verified(self.entry(reference, commit, part))?;
        let Part::Named(prefix) = part else {
            return Ok(cached);
        };
        if cached.as_ref().is_some_and(|cached| cached.source.vouched) {
            return Ok(cached);
        }
        // A part that came by itself is held to the whole as soon as that is here.
        let better = |whole: &Cached| cached.is_none() || whole.source.vouched;
        let whole = self.entry(reference, commit, Part::Whole).filter(better);
        match verified(whole)? {
            Some(whole) => self.cut(reference, commit, prefix, whole).map(Some),
            None => Ok(cached),
        }
    }

    /// Cuts the part out of the whole, so that it is the same file however it was come by; the whole, where it has no
    /// such part.
    fn cut(
        &self,
        reference: &Reference,
        commit: &str,
        prefix: &str,
        whole: Cached,
    ) -> Result<Cached> {
        let cut = storage::open(&whole.path).and_then(|(mut file, _)| part::cut(&mut file, prefix));
        let Some(bytes) = cut.map_err(|e| Error::io("read", &whole.path, e))? else {
            return Ok(whole);
        };
        let place = part_path(&self.path(reference, commit, Part::Whole), prefix);
        let source = Source {
            part: prefix.into(),
            bytes: bytes.len() as u64,
            sha256: storage::sha256(&bytes),
            ..whole.source
        };
        let path = named(&place, &source);
        write_record(&path, &source)?;
        storage::commit(&path, &bytes)?;
        forget_unverified(&place, &source);
        Ok(Cached { path, source })
    }

    /// Holds the parts that came by themselves to the whole that is here now.
    ///
    /// # Errors
    /// `Io` when they cannot be written.
    pub fn settle(&self, whole: &Cached) -> Result<()> {
        let source = &whole.source;
        if !source.part.is_empty() || !source.vouched {
            return Ok(());
        }
        let Ok(reference) = Reference::parse(&source.reference()) else {
            return Ok(());
        };
        let is_open = |of: &Source| {
            let same = (&of.repository, &of.commit, &of.file)
                == (&source.repository, &source.commit, &source.file);
            same && !of.part.is_empty() && !of.vouched
        };
        for part in self.list().into_iter().filter(|c| is_open(&c.source)) {
            self.cut(&reference, &source.commit, &part.source.part, whole.clone())?;
        }
        Ok(())
    }

    /// Takes over what is wanted of a whole and verified file that lies elsewhere.
    pub(super) fn adopt(&self, reference: &Reference, part: Part, found: Cached) -> Result<Cached> {
        let commit = found.source.commit.clone();
        let found = match part {
            Part::Named(prefix) => {
                let cut = self.cut(reference, &commit, prefix, found.clone())?;
                if cut.path != found.path {
                    return Ok(cut);
                }
                found
            }
            Part::Whole => found,
        };
        let path = self.path(reference, &commit, Part::Whole);
        write_record(&path, &found.source)?;
        let copy = beside(&path, ".copy");
        // What an earlier attempt left would stand in a link's way.
        let _ = fs::remove_file(&copy);
        let placed = fs::hard_link(&found.path, &copy)
            .or_else(|_| fs::copy(&found.path, &copy).map(drop))
            .and_then(|()| fs::rename(&copy, &path))
            .and_then(|()| storage::sync_directory(path.parent().unwrap_or(&path)));
        placed.map_err(|e| Error::io("put in place", &path, e))?;
        let source = found.source;
        let whole = Cached { path, source };
        self.settle(&whole)?;
        Ok(whole)
    }

    fn entry(&self, reference: &Reference, commit: &str, part: Part) -> Option<Cached> {
        let place = self.path(reference, commit, part);
        [place.clone(), unverified(&place)]
            .into_iter()
            .find_map(|path| {
                let source = read_record(&path)?;
                Some(Cached { path, source })
            })
    }

    /// The commit that a branch or tag stood for when it was last asked for.
    fn remembered(&self, reference: &Reference) -> Option<String> {
        let text = storage::read_text(&self.name_of(reference), LONGEST_NOTE).ok()?;
        is_hex(text.trim(), 40).then(|| text.trim().to_string())
    }

    pub(super) fn remember(&self, reference: &Reference, commit: &str) -> Result<()> {
        if reference.is_pinned() {
            return Ok(());
        }
        storage::commit(&self.name_of(reference), commit.as_bytes())
    }

    fn name_of(&self, reference: &Reference) -> PathBuf {
        let name = reference.revision.replace('/', "%2F");
        self.repository(reference).join("refs").join(name)
    }

    /// Whether branches and tags of its repository were asked for, and none of them stands for its commit any more.
    #[must_use]
    pub fn is_old(&self, cached: &Cached) -> bool {
        let Ok(reference) = Reference::parse(&cached.source.reference()) else {
            return false;
        };
        let refs = fs::read_dir(self.repository(&reference).join("refs"));
        let mut commits = refs.into_iter().flatten().flatten().peekable();
        let stands = |entry: fs::DirEntry| {
            storage::read_text(&entry.path(), LONGEST_NOTE)
                .is_ok_and(|text| text.trim() == cached.source.commit)
        };
        commits.peek().is_some() && !commits.any(stands)
    }

    /// Removes a file and what is known of it; what other programs keep of it stays.
    ///
    /// # Errors
    /// `Io` when it cannot be removed.
    pub fn delete(&self, cached: &Cached) -> Result<()> {
        // A file without a record is not looked at, so this order leaves nothing half there.
        for path in [record_path(&cached.path), cached.path.clone()] {
            fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
        // Directories that are empty now; others refuse.
        let within = |directory: &&Path| *directory != self.root;
        for directory in cached.path.ancestors().skip(1).take_while(within) {
            if fs::remove_dir(directory).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Removes what attempts at other versions of the file have left; to be called by who holds the lock.
    pub(super) fn sweep(&self, reference: &Reference) {
        let commits = fs::read_dir(self.repository(reference));
        for commit in commits.into_iter().flatten().flatten() {
            let file = commit.path().join(&reference.file);
            let (Some(directory), Some(name)) = (file.parent(), file.file_name()) else {
                continue;
            };
            let name = name.to_string_lossy();
            for beside in fs::read_dir(directory).into_iter().flatten().flatten() {
                let other = beside.file_name();
                let other = other.to_string_lossy();
                if other.starts_with(&*name) && other.ends_with(".part") {
                    let _ = fs::remove_file(beside.path());
                }
            }
        }
    }

    /// What has come of downloads that were given up, of all repositories or of one, with its bytes, in the order of
    /// its names.
    #[must_use]
    pub fn unfinished(&self, of: Option<&Reference>) -> Vec<(PathBuf, u64)> {
        let mut found = Vec::new();
        let root = of.map_or_else(|| self.root.clone(), |of| self.repository(of));
        walk(&root, DEEPEST, &mut |path| {
            if path.extension().is_some_and(|e| e == "part") {
                let bytes = path.metadata().map_or(0, |file| file.len());
                found.push((path, bytes));
            }
        });
        found.sort();
        found
    }

    /// Keeps everybody from fetching from a repository until what is given is dropped; none where nothing was ever
    /// fetched.
    ///
    /// # Errors
    /// `Input` when somebody is fetching, `Io` when that cannot be known.
    pub fn hold(&self, reference: &Reference) -> Result<Option<fs::File>> {
        let path = self.repository(reference).join(LOCK);
        let file = match storage::open(&path) {
            Ok((file, _)) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::io("open", &path, e)),
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Err(Error::input(
                reference.repository(),
                "is being downloaded by another fmtui",
                "wait for it or stop it, then delete",
            )),
            Err(fs::TryLockError::Error(e)) => Err(Error::io("lock", &path, e)),
        }
    }

    /// Everything that is there, in the order of its names.
    #[must_use]
    pub fn list(&self) -> Vec<Cached> {
        let mut found = Vec::new();
        walk(&self.root, DEEPEST, &mut |path| {
            if let Some(source) = read_record(&path) {
                found.push(Cached { path, source });
            }
        });
        found.sort_by(|a, b| a.path.cmp(&b.path));
        found
    }

    /// What is wrong with the records that cannot be read; their files are taken for absent.
    #[must_use]
    pub fn broken(&self) -> Vec<Error> {
        let mut records = Vec::new();
        walk(&self.root, DEEPEST, &mut |path| records.push(path));
        records.sort();
        let name = |record: &PathBuf| Some(record.to_str()?.strip_suffix(RECORD)?.to_string());
        let files = records.iter().filter_map(name);
        files
            .filter_map(|file| record_of(Path::new(&file)).err())
            .collect()
    }
}

/// How the names of records end.
const RECORD: &str = ".source.toml";

/// Locked by whoever changes what is there of a repository.
pub(super) const LOCK: &str = "lock";

/// Repository, commit, and a file's own directories.
const DEEPEST: usize = 8;

/// Tells every file below a directory.
fn walk(directory: &Path, depth: usize, tell: &mut dyn FnMut(PathBuf)) {
    for path in fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
    {
        if !path.is_dir() {
            tell(path);
        } else if depth > 0 {
            walk(&path, depth - 1, tell);
        }
    }
}

/// The name of what nobody vouches for: a file's own name is for what was verified.
fn unverified(place: &Path) -> PathBuf {
    beside(place, ".unverified")
}

/// Where a file from this source lies whose place is this.
pub(super) fn named(place: &Path, source: &Source) -> PathBuf {
    if source.vouched {
        place.to_path_buf()
    } else {
        unverified(place)
    }
}

/// Removes what came before the verified file that has its place now.
pub(super) fn forget_unverified(place: &Path, source: &Source) {
    if source.vouched {
        let other = unverified(place);
        // Whatever stays is not looked at: the verified one comes first.
        let _ = fs::remove_file(record_path(&other));
        let _ = fs::remove_file(other);
    }
}

/// Where a part of the file lies. No file of a repository has such a name.
fn part_path(whole: &Path, prefix: &str) -> PathBuf {
    beside(whole, &format!("#{prefix}safetensors"))
}

/// The path with more behind its name.
pub(super) fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    name.into()
}

fn record_path(path: &Path) -> PathBuf {
    beside(path, RECORD)
}

/// The record of a file that is there and has one that can be read.
fn read_record(path: &Path) -> Option<Source> {
    path.is_file().then(|| record_of(path))?.ok()
}

/// The record that stands beside a file.
fn record_of(path: &Path) -> Result<Source> {
    let record = record_path(path);
    let text =
        storage::read_text(&record, LONGEST_NOTE).map_err(|e| Error::io("read", &record, e))?;
    let mut source: Source = toml::from_str(&text).map_err(|e| {
        Error::input(
            record.display().to_string(),
            format!("is not a valid source record of weights: {}", e.message()),
            "delete it and the weights beside it: they are downloaded again",
        )
    })?;
    for words in [
        &mut source.repository,
        &mut source.revision,
        &mut source.commit,
        &mut source.file,
        &mut source.part,
        &mut source.sha256,
        &mut source.endpoint,
        &mut source.fetched,
        &mut source.licence,
    ]
    .into_iter()
    .chain(&mut source.datasets)
    {
        *words = text::sanitize(words);
    }
    Ok(source)
}

/// Writes down where a file came from. Before the file gets its name: a file without a record is not looked at.
pub(super) fn write_record(path: &Path, source: &Source) -> Result<()> {
    let text = toml::to_string(source)
        .map_err(|e| Error::compute("writing the source record of weights", e))?;
    storage::commit(&record_path(path), text.as_bytes())
}

fn verified(cached: Option<Cached>) -> Result<Option<Cached>> {
    if let Some(Cached { path, source }) = &cached {
        verify(path, source)?;
    }
    Ok(cached)
}

fn verify(path: &Path, source: &Source) -> Result<()> {
    let refuse = |problem: String| {
        Err(Error::input(
            path.display().to_string(),
            problem,
            "delete it: it is downloaded again when online",
        ))
    };
    let length = path
        .metadata()
        .map_err(|e| Error::io("read", path, e))?
        .len();
    if length != source.bytes {
        return refuse(format!(
            "is {length} bytes long, and {} when it was downloaded",
            source.bytes
        ));
    }
    if sha256(path)? != source.sha256 {
        return refuse("has changed since it was downloaded: its SHA-256 differs".into());
    }
    Ok(())
}

/// SHA-256 of a file, read in pieces.
pub(super) fn sha256(path: &Path) -> Result<String> {
    let io = |e| Error::io("read", path, e);
    let mut hash = Sha256::new();
    hash_into(&mut storage::open(path).map_err(io)?.0, &mut hash).map_err(io)?;
    Ok(storage::hex(&hash.finalize()))
}

/// Feeds what is left of a file into a hash.
pub(super) fn hash_into(file: &mut fs::File, hash: &mut Sha256) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    loop {
        match std::io::Read::read(file, &mut buffer)? {
            0 => return Ok(()),
            n => hash.update(&buffer[..n]),
        }
    }
}
