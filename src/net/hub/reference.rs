//! Names of files on the hub: `hf:owner/name[@revision][:file]`. Whatever parses is harmless as a path and in an
//! address.

use std::fmt;

use hf_hub::{Repo, RepoType};

use crate::error::{Error, Result};
use crate::text;

/// How `model.pretrained` names the hub.
pub const SCHEME: &str = "hf:";

const REVISION: &str = "main";
const FILE: &str = "model.safetensors";

/// A file of a repository at a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub owner: String,
    pub name: String,
    /// A branch, a tag or a commit.
    pub revision: String,
    /// Its path in the repository.
    pub file: String,
}

impl Reference {
    /// Reads `hf:owner/name[@revision][:file]`.
    ///
    /// # Errors
    /// `Input` when it is not of this form.
    pub fn parse(given: &str) -> Result<Self> {
        Self::parts(given).ok_or_else(|| {
            Error::input(
                text::sanitize(&text::ellipsis(given, 200)),
                "is not the name of a file on the hub",
                "write hf:owner/name, such as hf:timm/resnet18.tv_in1k, and if need be @revision and :file after it",
            )
        })
    }

    fn parts(given: &str) -> Option<Self> {
        let rest = given.strip_prefix(SCHEME)?;
        let (rest, file) = rest.split_once(':').unwrap_or((rest, FILE));
        let (repository, revision) = rest.split_once('@').unwrap_or((rest, REVISION));
        let (owner, name) = repository.split_once('/')?;
        // The hub has no names with two hyphens; the cache parts names by them.
        let is_name = |name: &str| is_word(name) && !name.contains("--");
        let sound = is_name(owner) && is_name(name) && is_path(revision) && is_path(file);
        sound.then(|| Self {
            owner: owner.into(),
            name: name.into(),
            revision: revision.into(),
            file: file.into(),
        })
    }

    /// Whether the revision is a commit, which never changes.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        is_hex(&self.revision, 40)
    }

    /// The same file at another revision.
    #[must_use]
    pub fn at(&self, revision: &str) -> Self {
        Self {
            revision: revision.into(),
            ..self.clone()
        }
    }

    /// `owner/name`.
    #[must_use]
    pub fn repository(&self) -> String {
        format!("{}/{}", self.owner, self.name)
    }

    /// As hf-hub names it.
    pub(super) fn repo(&self) -> Repo {
        Repo::with_revision(self.repository(), RepoType::Model, self.revision.clone())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.owner, self.name)?;
        if self.revision != REVISION {
            write!(f, "@{}", self.revision)?;
        }
        if self.file != FILE {
            write!(f, ":{}", self.file)?;
        }
        Ok(())
    }
}

/// Which files of the hub somebody means: a repository's, and of these only a commit's or one file where that is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub(super) repository: String,
    pub(super) revision: Option<String>,
    pub(super) file: Option<String>,
}

impl Pattern {
    /// Reads what [`Reference::parse`] reads.
    ///
    /// # Errors
    /// As there.
    pub fn parse(given: &str) -> Result<Self> {
        let reference = Reference::parse(given)?;
        let rest = given.trim_start_matches(SCHEME);
        Ok(Self {
            repository: reference.repository(),
            revision: rest.contains('@').then_some(reference.revision),
            file: rest.contains(':').then_some(reference.file),
        })
    }

    /// Whether all of a repository is meant.
    #[must_use]
    pub fn is_repository(&self) -> bool {
        self.revision.is_none() && self.file.is_none()
    }
}

/// Lower-case hexadecimal of this length.
pub(super) fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_word(word: &str) -> bool {
    let known = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    (1..=96).contains(&word.len()) && word.bytes().all(known) && !word.starts_with('.')
}

/// Words with slashes between them; none begins with a dot.
pub(super) fn is_path(path: &str) -> bool {
    path.len() <= 200 && path.split('/').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::hub::Source;

    #[test]
    fn a_pattern_names_a_repository_a_commit_or_a_file() {
        let source = Source {
            repository: "o/n".into(),
            revision: "main".into(),
            commit: "0123456789".repeat(4),
            file: "model.safetensors".into(),
            ..Source::default()
        };
        for (given, matches) in [
            ("hf:o/n", true),
            ("hf:o/n@main", true),
            ("hf:o/n@0123456789012", true),
            ("hf:o/n@0123", false),
            ("hf:o/n@v2", false),
            ("hf:o/n:model.safetensors", true),
            ("hf:o/n:other.bin", false),
            ("hf:o/n2", false),
        ] {
            let pattern = Pattern::parse(given).unwrap();
            assert_eq!(pattern.matches(&source), matches, "{given}");
        }
        assert!(Pattern::parse("o/n").is_err());
    }

    #[test]
    fn a_name_is_read_and_written() {
        let plain = Reference::parse("hf:timm/resnet18.tv_in1k").unwrap();
        assert_eq!(
            (plain.revision.as_str(), plain.file.as_str()),
            ("main", "model.safetensors")
        );
        let commit = "0123456789abcdef0123456789abcdef01234567";
        for given in [
            "hf:timm/resnet18.tv_in1k".to_string(),
            format!("hf:timm/resnet18.tv_in1k@{commit}"),
            "hf:o/n@refs/pr/1:weights/a.pth".to_string(),
        ] {
            assert_eq!(Reference::parse(&given).unwrap().to_string(), given);
        }
        assert!(plain.at(commit).is_pinned() && !plain.is_pinned());
    }

    #[test]
    fn what_could_be_another_path_or_address_is_refused() {
        for given in [
            "timm/resnet18",
            "hf:resnet18",
            "hf:a/b/c",
            "hf:a--b/c",
            "hf:../b",
            "hf:a/..",
            "hf:a/b@",
            "hf:a/b@../main",
            "hf:a/b:",
            "hf:a/b:../../x",
            "hf:a/b:/etc/passwd",
            "hf:a/b:.ssh",
            "hf:a/b:a//b",
            "hf:a b/c",
            "hf:a/b?x=1",
            "hf:a/b#x",
            "hf:a/b:c%2e",
            "hf:é/b",
            "hf:a/b:x\u{1b}[2J",
            &format!("hf:a/{}", "x".repeat(97)),
            &format!("hf:a/b:{}", "x/".repeat(150)),
        ] {
            let message = Reference::parse(given).unwrap_err().to_string();
            assert!(!message.contains('\u{1b}'), "{message}");
        }
    }
}
