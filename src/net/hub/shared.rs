//! The cache that Python and others keep of the hub on this machine, through hf-hub: what they have fetched is taken
//! from there.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use hf_hub::Cache;

use super::cache::{Cached, SHARED, Source, sha256};
use super::reference::{Reference, is_hex};
use super::{Token, model_card};
use crate::{storage, text};

/// `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else `~/.cache/huggingface/hub`. Only read.
#[derive(Clone, Debug)]
pub struct Shared(Cache);

impl Shared {
    /// None where there is no home directory and nothing is said.
    #[must_use]
    pub fn from_environment() -> Option<Self> {
        let is_set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
        if let Some(root) = is_set("HF_HUB_CACHE") {
            return Some(Self::at(root.into()));
        }
        // hf-hub panics where it finds no home.
        let found = is_set("HF_HOME").is_some() || std::env::home_dir().is_some();
        found.then(|| Self(Cache::from_env()))
    }

    #[must_use]
    pub fn at(root: PathBuf) -> Self {
        Self(Cache::new(root))
    }

    #[must_use]
    pub fn root(&self) -> &Path {
        self.0.path()
    }

    /// The secret that logging in has left there.
    #[must_use]
    pub fn token(&self) -> Option<Token> {
        self.0.token().map(|secret| Token::new(&secret))
    }

    /// The whole file at a commit, or at the one that its revision stood for when somebody last asked. A file is there
    /// under the name of its SHA-256, and one that has another by now is not taken.
    pub(super) fn find(&self, reference: &Reference, commit: Option<&str>) -> Option<Cached> {
        let repository = self.0.repo(reference.repo());
        let pointer = match commit {
            Some(commit) => repository.pointer_path(commit).join(&reference.file),
            None => repository.get(&reference.file)?,
        };
        let mut below = pointer
            .strip_prefix(repository.pointer_path(""))
            .ok()?
            .iter();
        let commit = below.next()?.to_str().filter(|c| is_hex(c, 40))?;
        let path = fs::canonicalize(&pointer).ok()?;
        let vouched = path.file_name()?.to_str().filter(|name| is_hex(name, 64))?;
        if sha256(&path).ok()? != vouched {
            return None;
        }
        let (licence, datasets) = card_of(&repository.pointer_path(commit));
        let source = Source {
            repository: reference.repository(),
            revision: reference.revision.clone(),
            commit: commit.into(),
            file: reference.file.clone(),
            bytes: path.metadata().ok()?.len(),
            sha256: vouched.into(),
            vouched: true,
            endpoint: SHARED.into(),
            fetched: text::timestamp(text::now()),
            licence,
            datasets,
            ..Source::default()
        };
        Some(Cached { path, source })
    }
}

fn card_of(snapshot: &Path) -> (String, Vec<String>) {
    let mut bytes = Vec::new();
    let read = storage::open(&snapshot.join("README.md"))
        .and_then(|(file, _)| file.take(model_card::LONGEST).read_to_end(&mut bytes));
    match read {
        Ok(_) => model_card::read(&String::from_utf8_lossy(&bytes)),
        Err(_) => Default::default(),
    }
}
