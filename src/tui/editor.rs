//! A recipe in the user's own editor, as TOML: every setting can be changed there. The screen has been left meanwhile.

use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::terminal;
use crate::error::{Error, Result};
use crate::profile::Profile;
use crate::{storage, text};

/// Begins the lines that say what is wrong; they are no part of the recipe.
const NOTE: &str = "#! ";

/// How often it is looked whether the editor has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How long an editor may take to end once it is told to.
const FAREWELL: Duration = Duration::from_millis(500);

/// The program is asked to end, and an editor is not waited for any more.
static GIVEN_UP: AtomicBool = AtomicBool::new(false);

/// Ends the editor that is open, and opens none again: the program is asked to end.
pub(super) fn give_up() {
    GIVEN_UP.store(true, Ordering::SeqCst);
}

/// The recipe as the editor left it; none where it was left as it was. What cannot be read is opened again with what is
/// wrong at its top, until it can be, is left as it is, or the terminal goes. `directory` holds the file meanwhile.
///
/// # Errors
/// `Input` when there is no such editor or it failed, `Io` when the file cannot be written or read.
pub(super) fn edit(profile: &Profile, directory: &Path) -> Result<Option<Profile>> {
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .filter_map(|name| std::env::var(name).ok())
        .find(|editor| !editor.trim().is_empty());
    let editor = editor.unwrap_or_else(|| "vi".into());
    let path = directory.join(format!("recipe-{}.toml", std::process::id()));
    let is_over = || GIVEN_UP.load(Ordering::SeqCst) || !terminal::is_there();
    let outcome = edit_file(profile, &path, &editor, &is_over);
    let _ = std::fs::remove_file(&path);
    outcome
}

fn edit_file(
    profile: &Profile,
    path: &Path,
    editor: &str,
    is_over: &dyn Fn() -> bool,
) -> Result<Option<Profile>> {
    let mut text = profile.to_toml();
    loop {
        std::fs::write(path, &text).map_err(|e| Error::io("write", path, e))?;
        run(editor, path, is_over)?;
        if is_over() {
            return Ok(None);
        }
        let after = storage::read_text(path, crate::profile::LONGEST)
            .map_err(|e| Error::io("read", path, e))?;
        if after == text {
            return Ok(None);
        }
        let recipe: String = after
            .split_inclusive('\n')
            .filter(|line| !line.starts_with(NOTE))
            .collect();
        let read = Profile::parse(&recipe, "the recipe").and_then(|profile| {
            profile.validate()?;
            Ok(profile.recipe())
        });
        match read {
            Ok(edited) => return Ok(Some(edited)),
            Err(error) => {
                let wrong = text::sanitize(&error.to_string());
                text = format!("{NOTE}{wrong}\n{NOTE}Save the file unchanged to cancel.\n{recipe}");
            }
        }
    }
}

/// Runs the editor as a shell would, since it may have arguments.
fn run(editor: &str, path: &Path, is_over: &dyn Fn() -> bool) -> Result<()> {
    let shown = || format!("editor `{}`", text::sanitize(editor));
    let remedy = "set EDITOR to an editor that is installed, such as nano";
    let status = Command::new("sh")
        .args(["-c", &format!("{editor} \"$0\"")])
        .arg(path)
        .spawn()
        .and_then(|mut child| wait(&mut child, is_over))
        .map_err(|e| Error::input(shown(), format!("cannot be started: {e}"), remedy))?;
    match status {
        Some(status) if !status.success() => {
            Err(Error::input(shown(), format!("failed ({status})"), remedy))
        }
        _ => Ok(()),
    }
}

/// How the editor ended; none where it was not waited for.
fn wait(child: &mut Child, is_over: &dyn Fn() -> bool) -> std::io::Result<Option<ExitStatus>> {
    let mut told: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status).filter(|_| told.is_none()));
        }
        match told {
            None if is_over() => {
                // It may have gone by itself meanwhile.
                let _ = kill_process(Pid::from_child(child), Signal::HUP);
                told = Some(Instant::now());
            }
            Some(at) if at.elapsed() >= FAREWELL => return Ok(None),
            _ => std::thread::sleep(LOOK),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(editor: &str) -> Result<Option<Profile>> {
        let dir = tempfile::tempdir().unwrap();
        edit_file(
            &Profile::new("resnet20"),
            &dir.path().join("r.toml"),
            editor,
            &|| false,
        )
    }

    #[test]
    fn what_the_editor_leaves_is_taken() {
        assert_eq!(edited("true").unwrap(), None);
        let profile = edited("printf '[[model.unfreeze]]\\nepoch = 2\\nfreeze = \"none\"\\n' >>");
        assert_eq!(profile.unwrap().unwrap().model.unfreeze[0].epoch, 2);
        let failed = edited("no-such-editor").unwrap_err().to_string();
        assert!(
            failed.starts_with("editor `no-such-editor`: failed"),
            "{failed}"
        );
    }

    #[test]
    fn what_is_wrong_stands_at_its_top_the_next_time() {
        // The first time something unknown is written, the second time the whole file is kept, and nothing is changed.
        let dir = tempfile::tempdir().unwrap();
        let (path, seen) = (dir.path().join("r.toml"), dir.path().join("seen"));
        let once = format!(
            "f() {{ if [ -e '{0}' ]; then cp \"$1\" '{0}'; else touch '{0}'; echo 'nonsense = 1' >> \"$1\"; fi; }}; f",
            seen.display()
        );
        assert_eq!(
            edit_file(&Profile::new("mlp"), &path, &once, &|| false).unwrap(),
            None
        );
        let seen = std::fs::read_to_string(seen).unwrap();
        assert!(
            seen.starts_with("#! ") && seen.contains("nonsense"),
            "{seen}"
        );
    }

    #[test]
    fn an_editor_is_not_waited_for_when_the_terminal_has_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.toml");
        // One that always leaves nonsense ends after this round; one that stays open is told to end.
        for editor in ["echo 'nonsense = 1' >>", "exec sleep 60 #"] {
            let begun = Instant::now();
            let is_over = || begun.elapsed() > Duration::from_millis(100);
            let edited = edit_file(&Profile::new("mlp"), &path, editor, &is_over);
            assert!(matches!(edited, Ok(None)), "{edited:?}");
            assert!(begun.elapsed() < Duration::from_secs(5));
        }
    }
}
