//! A folder of its own for each test, and the program in it.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::Value;
use tempfile::TempDir;

/// The folder `kind` (`reward` or `generator`) of the fixtures in this project.
pub fn fixtures(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind)
}

/// The path of a picture among the fixtures.
pub fn picture(name: &str) -> PathBuf {
    fixtures("reward").join("images").join(name)
}

/// The program's current folder, home and cache, removed when nobody needs it.
pub struct Sandbox {
    dir: Arc<TempDir>,
}

impl Sandbox {
    /// An empty one.
    pub fn new() -> Self {
        Sandbox { dir: Arc::new(tempfile::tempdir().unwrap()) }
    }

    /// The path of `name` in the current folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes the file `name`, and the folders it is in.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// The text of the file `name`.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The program with `words`, split at spaces. Nothing of the machine's settings
    /// reaches it, and a test that forgets `--offline` finds no hub.
    pub fn hps(&self, words: &str) -> Hps {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hps-loop"));
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if ["HPS_LOOP_", "HF_", "RUST_"].iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        for name in ["COLUMNS", "LINES", "CLICOLOR_FORCE", "HUGGING_FACE_HUB_TOKEN"] {
            command.env_remove(name);
        }
        command
            .env("HOME", self.path("home"))
            .env("XDG_CACHE_HOME", self.path("home/cache"))
            .env("HF_HOME", self.path("home/hf"))
            .env("HF_ENDPOINT", "http://127.0.0.1:9")
            .env("NO_COLOR", "1")
            .current_dir(self.dir.path())
            .args(words.split_whitespace());
        Hps { command, sandbox: Arc::clone(&self.dir), stdin: None }
    }

    /// `score --reward hps-v2.1` with the small weights of the fixtures, and `words`.
    pub fn score(&self, words: &str) -> Hps {
        self.hps("score").tiny_reward().args(words.split_whitespace())
    }
}

/// The program with its arguments.
pub struct Hps {
    command: Command,
    sandbox: Arc<TempDir>,
    stdin: Option<Vec<u8>>,
}

impl Hps {
    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// More arguments.
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// What standard input holds; nothing by default.
    pub fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// The reward hps-v2.1 with the small weights of the fixtures.
    pub fn tiny_reward(self) -> Self {
        self.args(["--reward", "hps-v2.1"]).tiny_weights("hps-v2.1")
    }

    /// The small weights of the fixtures as those of the reward `id`.
    pub fn tiny_weights(self, id: &str) -> Self {
        let reward = fixtures("reward");
        let file = |name: &str| format!("{id}={}", reward.join(name).display());
        self.args(["--weights", &file("hps-tiny.pt"), "--arch", &file("hps-tiny.json")])
    }

    /// Starts the program.
    pub fn spawn(&mut self) -> Child {
        let stdin = if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        self.command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().unwrap();
        if let (Some(text), Some(mut stdin)) = (self.stdin.take(), child.stdin.take()) {
            // A program that ends early need not read it all.
            let _ = stdin.write_all(&text);
        }
        child
    }

    /// Runs the program to its end.
    pub fn run(mut self) -> Outcome {
        let child = self.spawn();
        Outcome::of(child, self.sandbox.path().to_owned())
    }

    /// Runs the program, which must end with `code`.
    pub fn expect(self, code: i32) -> Outcome {
        let outcome = self.run();
        assert_eq!(outcome.code, Some(code), "{outcome:#?}");
        outcome
    }

    /// Runs the program, which must refuse to work: exit 2, and no data.
    pub fn refused(self) -> Outcome {
        let outcome = self.expect(2);
        assert_eq!(outcome.stdout, "", "{outcome:#?}");
        assert!(outcome.stderr.contains("error: "), "{outcome:#?}");
        outcome
    }
}

/// How the program ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status; `None` after a signal.
    pub code: Option<i32>,
    /// Data.
    pub stdout: String,
    /// Everything for people.
    pub stderr: String,
    sandbox: PathBuf,
}

impl Outcome {
    /// Waits for the end.
    pub fn of(child: Child, sandbox: PathBuf) -> Self {
        let output = child.wait_with_output().unwrap();
        let outcome = Outcome {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            sandbox,
        };
        assert!(!outcome.stderr.contains("panicked"), "{outcome:#?}");
        outcome
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// The array at `key` of the JSON on standard output.
    pub fn list(&self, key: &str) -> Vec<Value> {
        self.json()[key].as_array().unwrap_or_else(|| panic!("no {key}: {self:#?}")).clone()
    }

    /// Both streams, without what differs from machine to machine.
    pub fn shown(&self) -> String {
        let stderr = self.redact(&self.stderr);
        format!("{}--- stderr\n{stderr}", self.redact(&self.stdout))
    }

    /// Replaces folders, digests, kernels, seconds and long fractions.
    fn redact(&self, text: &str) -> String {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        let text = text.replace(&fixtures.display().to_string(), "[FIXTURES]");
        let text = text.replace(&self.sandbox.display().to_string(), "[SANDBOX]");
        let text = text.replace(env!("CARGO_PKG_VERSION"), "[VERSION]");
        text.split_inclusive('\n').map(|line| mask_fractions(&mask_value(line))).collect()
    }
}

/// Hides what the weights' digest and the processor's kernel are.
fn mask_value(line: &str) -> String {
    for key in ["\"weights_sha256\": \"", "\"kernel\": \""] {
        if let Some((before, after)) = line.split_once(key) {
            let rest = after.split_once('"').map_or("", |(_, rest)| rest);
            return format!("{before}{key}[MASKED]\"{rest}");
        }
    }
    line.to_owned()
}

/// Puts `#.#` for numbers with four decimals or more, whose last ones (and how many there
/// are) depend on the processor, and for seconds.
fn mask_fractions(text: &str) -> String {
    let number = |c: char| c.is_ascii_digit() || c == '.';
    let mut masked = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(number) {
        let (before, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.find(|c| !number(c)).unwrap_or(from.len()));
        let decimals = word.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        let seconds = decimals == 1 && (after.starts_with(" s\n") || after.starts_with(" s,"));
        masked.push_str(before);
        match decimals >= 4 || seconds {
            true => masked.push_str("#.#"),
            false => masked.push_str(word),
        }
        rest = after;
    }
    masked + rest
}

/// The keys of a JSON object, sorted.
pub fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// The number at `score` as an `f32`, which it must be exactly.
pub fn score(record: &Value) -> f32 {
    let text = record["score"].to_string();
    let score: f32 = text.parse().unwrap_or_else(|_| panic!("no score: {record}"));
    assert!(score.is_finite());
    score
}
