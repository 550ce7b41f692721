//! The folder of a run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hps_core::{Error, ErrorKind, Result, SampleSpec};

use crate::lock::{DirLock, LOCK_WAIT};
use crate::manifest::{RunManifest, RunStatus};
use crate::prompt_dir::PromptDir;
use crate::{atomic, leftovers, names};

/// What to do with a folder that is not empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Refuse it.
    #[default]
    Refuse,
    /// Go on with the run in it. An empty or missing folder starts a new run.
    Resume,
    /// Remove the run in it and start anew.
    ///
    /// Removed are `run.json`, `candidates.jsonl` and `.candidates` by their names,
    /// and `best.png` and numbered pictures that carry this program's text chunks,
    /// here and in numbered folders. Other files stay; where a picture of somebody
    /// else has a name that is needed, nothing is done.
    Overwrite,
}

/// How [`RunDir::create`] opens a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOptions {
    /// What to do with a folder that is not empty.
    pub existing: Existing,
    /// How many pictures to keep per prompt; `None` keeps all, 0 counts as 1.
    pub top: Option<usize>,
    /// How long to wait for another process that works in the folder.
    pub lock_wait: Duration,
}

impl Default for RunOptions {
    /// Refuse, keep all pictures, wait [`LOCK_WAIT`].
    fn default() -> Self {
        RunOptions { existing: Existing::Refuse, top: None, lock_wait: LOCK_WAIT }
    }
}

/// How a session ended, for the manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct SessionEnd {
    /// [`RunStatus::Finished`] or [`RunStatus::Interrupted`].
    pub status: RunStatus,
    /// Model evaluations of this session.
    pub nfe: u64,
    /// Wall-clock seconds of this session.
    pub seconds: f64,
    /// The time, as the caller writes times.
    pub finished: Option<String>,
}

/// A run's folder, locked for this process.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    top: Option<usize>,
    manifest: RunManifest,
    _lock: DirLock,
}

impl RunDir {
    /// Creates or opens the folder, locks it and writes the manifest.
    ///
    /// The manifest's status becomes [`RunStatus::Running`]. A resumed run keeps
    /// its `started`, `nfe`, `seconds` and the model's digest, so that old and new
    /// pictures carry the same text.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Conflict`] if the folder is in use, is not empty and
    /// [`Existing::Refuse`] is set, or holds no run or another run and
    /// [`Existing::Resume`] is set; the message then names the first field that
    /// differs with both values. [`ErrorKind::Io`] if it cannot be written to.
    pub fn create(path: &Path, options: RunOptions, mut manifest: RunManifest) -> Result<RunDir> {
        if path.exists() && !path.is_dir() {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("{} is not a folder", path.display()),
            ));
        }
        atomic::create_dir(path)?;
        if options.existing == Existing::Refuse {
            // Before the lock as well: nothing is written to a foreign folder.
            check_empty(path)?;
        }
        let lock = DirLock::acquire(path, options.lock_wait)?;
        match options.existing {
            Existing::Refuse => check_empty(path)?,
            Existing::Resume => continue_from(path, &mut manifest)?,
            Existing::Overwrite => {
                let count = options.top.unwrap_or(usize::MAX).min(manifest.best_of as usize);
                leftovers::check_foreign(path, count)?;
                leftovers::remove_run(path)?;
            }
        }
        manifest.status = RunStatus::Running;
        manifest.finished = None;
        manifest.write(path)?;
        Ok(RunDir { path: path.to_owned(), top: options.top, manifest, _lock: lock })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The manifest as it is on disk.
    pub fn manifest(&self) -> &RunManifest {
        &self.manifest
    }

    /// Opens the folder of the prompt at `index`, from 0.
    ///
    /// `expected` says how every candidate is to be drawn. What is stored and drawn
    /// in just that way is kept; anything else is forgotten.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] with the line number if `candidates.jsonl` is
    /// damaged other than by a torn last line, or if there is no such prompt;
    /// [`ErrorKind::Io`] with the path.
    pub fn prompt(&self, index: usize, expected: &[SampleSpec]) -> Result<PromptDir> {
        let count = self.manifest.prompts.len();
        if index >= count {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                format!("the run has {count} prompts and none at index {index}"),
            ));
        }
        let dir = names::prompt_dir(&self.path, index, count);
        PromptDir::open(dir, self.top, self.manifest.model.clone(), expected)
    }

    /// Writes how the session ended and unlocks the folder. Returns the manifest
    /// with the totals of all sessions.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Io`] with the path; pictures and records are complete all the
    /// same.
    pub fn finish(mut self, end: SessionEnd) -> Result<RunManifest> {
        self.manifest.status = end.status;
        self.manifest.nfe += end.nfe;
        self.manifest.seconds += end.seconds;
        self.manifest.finished = end.finished;
        self.manifest.write(&self.path)?;
        Ok(self.manifest)
    }
}

fn check_empty(path: &Path) -> Result<()> {
    if leftovers::is_empty(path)? {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, format!("{} is not empty", path.display()))
        .with_hint("Go on with --resume, replace it with --overwrite, or choose another --out."))
}

fn continue_from(path: &Path, manifest: &mut RunManifest) -> Result<()> {
    let Some(old) = RunManifest::read(path)? else {
        if leftovers::is_empty(path)? {
            return Ok(());
        }
        return Err(Error::new(
            ErrorKind::Conflict,
            format!("{} holds no run to resume", path.display()),
        )
        .with_hint("Choose an empty folder with --out, or use --overwrite."));
    };
    old.check_resume(manifest)?;
    manifest.model.model_sha256 = old.model.model_sha256;
    manifest.started = old.started.or(manifest.started.take());
    manifest.nfe = old.nfe;
    manifest.seconds = old.seconds;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use hps_core::Prompt;

    use super::*;
    use crate::fixture::{end, manifest, options, session, snapshot, specs, store};

    fn create(path: &Path, existing: Existing, best_of: u32) -> Result<RunDir> {
        RunDir::create(path, options(existing, None), manifest(best_of))
    }

    #[test]
    fn a_missing_folder_is_made_and_the_manifest_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b");
        let run = create(&path, Existing::Refuse, 2).unwrap();
        assert_eq!(RunManifest::read(&path).unwrap().unwrap().status, RunStatus::Running);
        let last = run.finish(end()).unwrap();
        assert_eq!((last.status, last.nfe, last.seconds), (RunStatus::Finished, 8, 1.5));
        assert_eq!(RunManifest::read(&path).unwrap(), Some(last));
    }

    #[test]
    fn a_folder_with_content_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("mine.txt"), "x").unwrap();
        let error = create(dir.path(), Existing::Refuse, 2).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert!(error.hint().unwrap().contains("--resume"));
        let error = create(dir.path(), Existing::Resume, 2).unwrap_err();
        assert!(error.message().contains("holds no run"), "{error}");
        let error = create(&dir.path().join("mine.txt"), Existing::Resume, 2).unwrap_err();
        assert!(error.message().contains("is not a folder"), "{error}");
        assert!(!dir.path().join("run.json").exists());
    }

    #[test]
    fn one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let first = create(dir.path(), Existing::Refuse, 2).unwrap();
        for existing in [Existing::Resume, Existing::Overwrite] {
            let error = create(dir.path(), existing, 2).unwrap_err();
            assert!(error.message().contains("another process"), "{error}");
        }
        drop(first);
        create(dir.path(), Existing::Resume, 2).unwrap();
    }

    #[test]
    fn another_run_is_not_resumed() {
        let dir = tempfile::tempdir().unwrap();
        drop(create(dir.path(), Existing::Refuse, 4).unwrap());
        let refused = |change: fn(&mut RunManifest), field: &str| {
            let mut other = manifest(4);
            change(&mut other);
            let options = options(Existing::Resume, None);
            let error = RunDir::create(dir.path(), options, other).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert!(error.message().contains(field), "{error}");
        };
        refused(|m| m.seed.0 = 8, "seed was 7 and is now 8");
        refused(|m| m.best_of = 3, "best_of was 4 and is now 3");
        refused(|m| m.prompts[0] = Prompt::from("x"), "prompts[0] was \"ein Fuchs 狐\"");
        refused(|m| m.prompts.push(Prompt::from("x")), "prompts[1] was null");
        refused(|m| m.parameters["width"] = 8.into(), "parameters.width was 3 and is now 8");
        refused(|m| m.reward["id"] = "hps-v2.1".into(), "reward.id was \"demo\"");
        refused(|m| m.model.model_sha256 = Some("cd".into()), "model.model_sha256 was \"ab\"");
        refused(|m| m.model.kernel = "amx".into(), "model.kernel was \"host\"");
        refused(|m| m.command = "score".into(), "command was");
    }

    #[test]
    fn what_changes_no_picture_may_change() {
        let dir = tempfile::tempdir().unwrap();
        let mut first = manifest(4);
        first.started = Some("first".into());
        let run = RunDir::create(dir.path(), RunOptions::default(), first).unwrap();
        run.finish(end()).unwrap();
        let mut second = manifest(6);
        second.settings = serde_json::json!({"batch_size": 1});
        second.model.model = "moved".into();
        second.reward["weights_sha256"] = "ab".into();
        second.started = Some("second".into());
        let run = RunDir::create(dir.path(), options(Existing::Resume, None), second).unwrap();
        let last = run.finish(end()).unwrap();
        assert_eq!((last.nfe, last.seconds, last.best_of), (16, 3.0, 6));
        assert_eq!(last.started.as_deref(), Some("first"));
        assert_eq!(last.settings["batch_size"], 1);
    }

    #[test]
    fn a_damaged_or_newer_manifest_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (content, expected) in [
            ("{", "is no manifest"),
            ("{\"format\": 1}", "is no manifest"),
            ("{\"format\": 2}", "has format 2, not 1"),
        ] {
            fs::write(dir.path().join("run.json"), content).unwrap();
            let error = create(dir.path(), Existing::Resume, 2).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Conflict);
            assert!(error.message().contains(expected), "{error}");
        }
    }

    #[test]
    fn overwriting_removes_the_run_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        session(dir.path(), None, &[0, 1, 2, 3]).unwrap();
        fs::write(dir.path().join("notes.txt"), "mine").unwrap();
        fs::write(dir.path().join("77.png"), "mine").unwrap();
        fs::create_dir_all(dir.path().join("3/deep")).unwrap();
        fs::write(dir.path().join(".02.png.tmp"), "cut short").unwrap();
        drop(create(dir.path(), Existing::Overwrite, 2).unwrap());
        let files: Vec<String> = snapshot(dir.path()).into_keys().collect();
        assert_eq!(files, ["3/", "3/deep/", "77.png", "notes.txt"]);
    }

    #[test]
    fn several_prompts_have_a_folder_each() {
        let dir = tempfile::tempdir().unwrap();
        let mut two = manifest(2);
        two.prompts.push(Prompt::from("x"));
        let run = RunDir::create(dir.path(), RunOptions::default(), two).unwrap();
        for index in 0..2 {
            let mut prompt = run.prompt(index, &specs(2)).unwrap();
            store(&mut prompt, index as u32).unwrap();
            prompt.finish().unwrap();
        }
        assert_eq!(run.prompt(2, &[]).unwrap_err().kind(), ErrorKind::InvalidInput);
        run.finish(end()).unwrap();
        let files = snapshot(dir.path());
        let pictures = files.keys().filter(|name| name.ends_with(".png")).collect::<Vec<_>>();
        assert_eq!(pictures, ["0/01.png", "0/best.png", "1/01.png", "1/best.png"]);
        drop(create(dir.path(), Existing::Overwrite, 2).unwrap());
        assert!(snapshot(dir.path()).is_empty());
    }

    #[test]
    fn a_damaged_line_stops_the_resume() {
        let dir = tempfile::tempdir().unwrap();
        session(dir.path(), None, &[0, 1]).unwrap();
        let path = dir.path().join("candidates.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("{{}}\n{text}")).unwrap();
        let run = create(dir.path(), Existing::Resume, 2).unwrap();
        let error = run.prompt(0, &specs(2)).unwrap_err();
        assert!(error.message().contains("line 1 is damaged"), "{error}");
    }
}
