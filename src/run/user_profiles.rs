//! The user's own profiles: files in the workspace beside the presets that are compiled in.

use super::Workspace;
use crate::error::{Error, Result};
use crate::profile::{self, Profile};
use crate::{storage, text};

/// Most of them that are read.
const MOST: usize = 100;

/// The profiles in the workspace's `profiles/`, each by its file's name, in the order of the names; an error in place
/// of one that is none.
#[must_use]
pub(crate) fn profiles(workspace: &Workspace) -> Vec<Result<(String, Profile)>> {
    let entries = std::fs::read_dir(workspace.presets_dir());
    let mut paths: Vec<_> = entries
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml") && path.is_file())
        .collect();
    paths.sort();
    paths.truncate(MOST);
    let read = |path: &std::path::PathBuf| {
        let text =
            storage::read_text(path, profile::LONGEST).map_err(|e| Error::io("read", path, e))?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = text::sanitize(&name);
        let profile = Profile::parse(&text, &format!("profiles/{name}.toml"))?;
        Ok((name, profile.recipe()))
    };
    paths.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_there_is_read_and_what_is_none_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(dir.path());
        assert!(profiles(&workspace).is_empty());
        std::fs::create_dir(workspace.presets_dir()).unwrap();
        let put = |name: &str, text: &str| {
            std::fs::write(workspace.presets_dir().join(name), text).unwrap();
        };
        put("b.toml", &Profile::new("mlp").to_toml());
        put("a.toml", "format = 1\nepochs = 3");
        put("notes.txt", "no profile");
        let found = profiles(&workspace);
        assert_eq!(found.len(), 2);
        let refused = found[0].as_ref().unwrap_err().to_string();
        assert!(refused.starts_with("profiles/a.toml"), "{refused}");
        let (name, profile) = found[1].as_ref().unwrap();
        assert_eq!(
            (name.as_str(), profile.model.architecture.as_str()),
            ("b", "mlp")
        );
    }
}
