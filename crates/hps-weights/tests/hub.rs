//! Downloads against a hub on loopback that stalls, truncates and refuses.

#![cfg(feature = "hub")]
#![allow(clippy::unwrap_used)]

mod hub_server;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use hps_core::ErrorKind;
use hps_weights::hub::{DownloadObserver, Hub, HubOptions, SilentDownload, Token};
use hps_weights::registry::FileEntry;
use hub_server::{COMMIT, Fault, Host, HubServer, NEXT_COMMIT, REPO, Request};
use tempfile::TempDir;

const FILE: &str = "model.safetensors";

/// A server with one large file, and an empty cache.
struct Fixture {
    server: HubServer,
    cache: TempDir,
    bytes: Vec<u8>,
    sha256: String,
}

impl Fixture {
    fn new() -> Self {
        let server = HubServer::start();
        let bytes: Vec<u8> = (0..300_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect();
        let sha256 = server.add_large(COMMIT, FILE, &bytes);
        Fixture { server, cache: tempfile::tempdir().unwrap(), bytes, sha256 }
    }

    fn options(&self) -> HubOptions {
        let mut options = HubOptions::new(self.cache.path());
        options.endpoint = self.server.endpoint();
        options.max_retries = 3;
        options.retry_delay = Duration::from_millis(5);
        options
    }

    fn hub(&self) -> Hub {
        Hub::new(self.options())
    }

    /// A hub that soon takes silence for a stall.
    fn impatient(&self) -> Hub {
        Hub::new(HubOptions { stall_timeout: Duration::from_millis(300), ..self.options() })
    }

    fn offline(&self) -> Hub {
        Hub::new(HubOptions { offline: true, ..self.options() })
    }

    fn fetch(&self) -> hps_core::Result<PathBuf> {
        self.hub().fetch_file(REPO, "main", &FileEntry::new(FILE), &mut SilentDownload)
    }

    fn repo_dir(&self) -> PathBuf {
        self.cache.path().join("models--owner--name")
    }

    fn blob(&self) -> PathBuf {
        self.repo_dir().join("blobs").join(&self.sha256)
    }

    fn partial(&self) -> PathBuf {
        self.repo_dir().join("blobs").join(format!("{}.incomplete", self.sha256))
    }

    /// Puts bytes where an earlier, interrupted download would have left them.
    fn write_partial(&self, bytes: &[u8]) {
        fs::create_dir_all(self.repo_dir().join("blobs")).unwrap();
        fs::write(self.partial(), bytes).unwrap();
    }

    fn assert_is_whole(&self, path: &Path) {
        assert!(fs::read(path).unwrap() == self.bytes, "{} has other bytes", path.display());
        assert!(!self.partial().exists());
    }
}

/// Writes down what happens.
#[derive(Default)]
struct Recorder {
    events: Vec<String>,
    received: u64,
    delays: Vec<Duration>,
}

impl DownloadObserver for Recorder {
    fn start(&mut self, file: &str, size: Option<u64>, resumed_from: u64) {
        self.events.push(format!("start {file} {} {resumed_from}", size.unwrap_or_default()));
    }
    fn advance(&mut self, bytes: u64) {
        self.received += bytes;
    }
    fn retry(&mut self, why: &str, delay: Duration) {
        assert!(!why.is_empty());
        self.events.push("retry".into());
        self.delays.push(delay);
    }
    fn verifying(&mut self, file: &str) {
        self.events.push(format!("verifying {file}"));
    }
    fn finished(&mut self, file: &str, path: &Path) {
        assert!(path.exists());
        self.events.push(format!("finished {file}"));
    }
}

/// The `Range` headers of the requests for bytes, empty where there was none.
fn ranges(requests: &[Request]) -> Vec<&str> {
    let gets = requests.iter().filter(|r| r.host == Host::Storage && r.method == "GET");
    gets.map(|r| r.header("range").unwrap_or_default()).collect()
}

#[test]
fn a_fresh_download_has_the_standard_layout() {
    let fixture = Fixture::new();
    let mut recorder = Recorder::default();
    let path =
        fixture.hub().fetch_file(REPO, "main", &FileEntry::new(FILE), &mut recorder).unwrap();
    fixture.assert_is_whole(&path);
    assert_eq!(path, fixture.repo_dir().join("snapshots").join(COMMIT).join(FILE));
    assert_eq!(fs::read(fixture.blob()).unwrap().len(), fixture.bytes.len());
    assert_eq!(fs::read_to_string(fixture.repo_dir().join("refs/main")).unwrap(), COMMIT);
    #[cfg(unix)]
    assert_eq!(
        fs::read_link(&path).unwrap(),
        Path::new("../../blobs").join(&fixture.sha256),
        "the link must survive moving the cache"
    );
    assert_eq!(
        recorder.events,
        [
            "start model.safetensors 300000 0",
            "verifying model.safetensors",
            "finished model.safetensors"
        ]
    );
    assert_eq!(recorder.received, 300_000);
}

#[test]
fn a_cached_file_is_not_sent_again() {
    let fixture = Fixture::new();
    let path = fixture.fetch().unwrap();
    fixture.server.take_requests();

    assert_eq!(fixture.fetch().unwrap(), path);
    let requests = fixture.server.take_requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert_eq!(requests[0].method, "HEAD");

    let file = FileEntry::new(FILE);
    let fixed = fixture.hub().fetch_file(REPO, COMMIT, &file, &mut SilentDownload).unwrap();
    assert_eq!(fixed, path);
    assert!(fixture.server.take_requests().is_empty(), "a commit never changes");
}

#[test]
fn a_branch_that_moved_brings_the_new_file() {
    let fixture = Fixture::new();
    let old = fixture.fetch().unwrap();
    fixture.server.add_large(NEXT_COMMIT, FILE, b"new bytes");
    fixture.server.move_main(NEXT_COMMIT);
    let new = fixture.fetch().unwrap();
    assert_eq!(fs::read(&new).unwrap(), b"new bytes");
    fixture.assert_is_whole(&old);
}

#[test]
fn a_cut_connection_is_resumed() {
    let fixture = Fixture::new();
    fixture.server.storage_fault(Fault::Truncate(100_000));
    fixture.server.storage_fault(Fault::Truncate(50_000));
    let mut recorder = Recorder::default();
    let path =
        fixture.hub().fetch_file(REPO, "main", &FileEntry::new(FILE), &mut recorder).unwrap();
    fixture.assert_is_whole(&path);
    assert_eq!(ranges(&fixture.server.take_requests()), ["", "bytes=100000-", "bytes=150000-"]);
    assert_eq!(recorder.received, 300_000, "no byte comes twice");
    assert_eq!(recorder.events.iter().filter(|event| *event == "retry").count(), 2);
}

#[test]
fn a_silent_server_is_left_and_resumed() {
    let fixture = Fixture::new();
    fixture.server.storage_fault(Fault::Stall(120_000));
    let mut recorder = Recorder::default();
    let hub = fixture.impatient();
    let path = hub.fetch_file(REPO, "main", &FileEntry::new(FILE), &mut recorder).unwrap();
    fixture.assert_is_whole(&path);
    assert!(recorder.events.contains(&"start model.safetensors 300000 120000".into()));
    assert_eq!(recorder.received, 300_000, "no byte comes twice");
}

#[test]
fn a_server_that_stays_silent_is_given_up() {
    let fixture = Fixture::new();
    for _ in 0..4 {
        fixture.server.storage_fault(Fault::Stall(10_000));
    }
    let file = FileEntry::new(FILE);
    let hub = fixture.impatient();
    let error = hub.fetch_file(REPO, "main", &file, &mut SilentDownload).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.message().contains("no data for 300ms"), "{error}");
    assert!(error.hint().unwrap().contains("--offline"));
    assert_eq!(fs::metadata(fixture.partial()).unwrap().len(), 40_000, "what came is kept");
    assert!(!error.full_message().contains("s3cret"), "{}", error.full_message());
}

#[test]
fn a_part_of_an_earlier_process_is_gone_on_from() {
    let fixture = Fixture::new();
    fixture.write_partial(&fixture.bytes[..200_000]);
    fixture.assert_is_whole(&fixture.fetch().unwrap());
    assert_eq!(ranges(&fixture.server.take_requests()), ["bytes=200000-"]);

    // All bytes were there and only the renaming was missing.
    let fixture = Fixture::new();
    fixture.write_partial(&fixture.bytes);
    fixture.assert_is_whole(&fixture.fetch().unwrap());
    assert!(ranges(&fixture.server.take_requests()).is_empty());
}

#[test]
fn a_damaged_part_is_thrown_away() {
    for damaged in [vec![0; 200_000], vec![0; 300_000], vec![0; 400_000]] {
        let fixture = Fixture::new();
        fixture.write_partial(&damaged);
        fixture.assert_is_whole(&fixture.fetch().unwrap());
    }
}

#[test]
fn a_server_without_ranges_starts_over() {
    let fixture = Fixture::new();
    fixture.write_partial(&[0; 200_000]);
    fixture.server.storage_fault(Fault::IgnoreRange);
    fixture.assert_is_whole(&fixture.fetch().unwrap());
    assert_eq!(ranges(&fixture.server.take_requests()).len(), 1);
}

#[test]
fn an_unsatisfiable_range_starts_over() {
    let fixture = Fixture::new();
    fixture.write_partial(&[0; 200_000]);
    fixture.server.storage_fault(Fault::Status(416, ""));
    fixture.assert_is_whole(&fixture.fetch().unwrap());
    assert_eq!(ranges(&fixture.server.take_requests()), ["bytes=200000-", ""]);
}

#[test]
fn too_many_requests_are_waited_for() {
    let fixture = Fixture::new();
    fixture.server.hub_fault(Fault::Status(429, "Retry-After: 1\r\n"));
    fixture.server.storage_fault(Fault::Status(503, ""));
    let mut recorder = Recorder::default();
    let path =
        fixture.hub().fetch_file(REPO, "main", &FileEntry::new(FILE), &mut recorder).unwrap();
    fixture.assert_is_whole(&path);
    assert_eq!(recorder.delays, [Duration::from_secs(1), Duration::from_millis(5)]);
}

#[test]
fn a_busy_hub_is_given_up_in_the_end() {
    let fixture = Fixture::new();
    for _ in 0..4 {
        fixture.server.hub_fault(Fault::Status(429, "Retry-After: 0\r\n"));
    }
    let error = fixture.fetch().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.message().contains("429"), "{error}");
    assert_eq!(fixture.server.take_requests().len(), 4);
}

#[test]
fn refused_access_names_the_licence_page() {
    for status in [401, 403] {
        let fixture = Fixture::new();
        fixture.server.hub_fault(Fault::Status(status, "X-Error-Code: GatedRepo\r\n"));
        let error = fixture.fetch().unwrap_err();
        assert!(error.message().contains("owner/name@main/model.safetensors"), "{error}");
        assert!(error.message().contains(&status.to_string()), "{error}");
        let hint = error.hint().unwrap();
        let page = format!("{}/owner/name", fixture.server.endpoint());
        assert!(hint.contains("HF_TOKEN") && hint.contains(&page), "{hint}");
        assert_eq!(fixture.server.take_requests().len(), 1, "trying again cannot help");
    }
}

#[test]
fn a_missing_file_is_named() {
    let fixture = Fixture::new();
    let hub = fixture.hub();
    let file = FileEntry::new("no/such.file");
    let error = hub.fetch_file(REPO, "main", &file, &mut SilentDownload).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.message(), "owner/name has no file no/such.file at revision main");
    assert_eq!(fixture.server.take_requests().len(), 1);
}

#[test]
fn wrong_bytes_are_fetched_once_more_and_then_refused() {
    let fixture = Fixture::new();
    fixture.server.storage_fault(Fault::Corrupt);
    fixture.assert_is_whole(&fixture.fetch().unwrap());

    let fixture = Fixture::new();
    fixture.server.storage_fault(Fault::Corrupt);
    fixture.server.storage_fault(Fault::Corrupt);
    let error = fixture.fetch().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidWeights);
    assert!(error.message().contains(&fixture.sha256), "{error}");
    assert!(!fixture.partial().exists() && !fixture.blob().exists());
    assert_eq!(fixture.offline().cached_file(REPO, "main", &FileEntry::new(FILE)), None);
}

#[test]
fn a_file_other_than_the_known_one_is_refused_before_it_comes() {
    let fixture = Fixture::new();
    let other = "0".repeat(64);
    for file in [
        FileEntry { sha256: Some(&other), ..FileEntry::new(FILE) },
        FileEntry { size: Some(5), ..FileEntry::new(FILE) },
    ] {
        let error = fixture.hub().fetch_file(REPO, "main", &file, &mut SilentDownload);
        assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidWeights);
    }
    assert!(ranges(&fixture.server.take_requests()).is_empty());
    let known = FileEntry { path: FILE, size: Some(300_000), sha256: Some(&fixture.sha256) };
    fixture.hub().fetch_file(REPO, "main", &known, &mut SilentDownload).unwrap();
}

#[test]
fn the_token_goes_to_the_hub_alone() {
    let fixture = Fixture::new();
    let mut options = fixture.options();
    options.token = Some(Token::new("hf_topsecret").unwrap());
    // A renamed repository: the hub redirects within itself first.
    fixture
        .server
        .hub_fault(Fault::Status(307, "Location: /owner/name/resolve/main/model.safetensors\r\n"));
    let hub = Hub::new(options);
    let path = hub.fetch_file(REPO, "main", &FileEntry::new(FILE), &mut SilentDownload).unwrap();
    fixture.assert_is_whole(&path);
    let requests = fixture.server.take_requests();
    assert!(requests.iter().any(|request| request.host == Host::Storage));
    for request in &requests {
        let expected = (request.host == Host::Hub).then_some("Bearer hf_topsecret");
        assert_eq!(request.header("authorization"), expected, "{request:?}");
    }
    assert!(!format!("{hub:?}").contains("topsecret"));

    fixture.server.hub_fault(Fault::Status(401, ""));
    let file = FileEntry::new("other");
    let error = hub.fetch_file(REPO, "main", &file, &mut SilentDownload).unwrap_err();
    assert!(!format!("{error:?}").contains("topsecret"));
}

#[test]
fn threads_share_one_download() {
    let fixture = Fixture::new();
    // Long enough for all to meet at the lock.
    fixture.server.storage_fault(Fault::Stall(100_000));
    let work = || {
        let mut recorder = Recorder::default();
        let file = FileEntry::new(FILE);
        let path = fixture.impatient().fetch_file(REPO, "main", &file, &mut recorder).unwrap();
        fixture.assert_is_whole(&path);
        recorder.received
    };
    let received: u64 = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(received, 300_000, "each byte comes once");
}

#[test]
fn processes_share_one_download() {
    const ENDPOINT: &str = "HUB_TEST_ENDPOINT";
    const CACHE: &str = "HUB_TEST_CACHE";
    if let Ok(endpoint) = std::env::var(ENDPOINT) {
        // This is one of the two processes that are started below.
        let mut options = HubOptions::new(std::env::var_os(CACHE).unwrap());
        options.endpoint = endpoint;
        options.stall_timeout = Duration::from_secs(1);
        let file = FileEntry::new(FILE);
        Hub::new(options).fetch_file(REPO, "main", &file, &mut SilentDownload).unwrap();
        return;
    }
    let fixture = Fixture::new();
    fixture.server.storage_fault(Fault::Stall(100_000));
    let spawn = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes_share_one_download"])
            .env(ENDPOINT, fixture.server.endpoint())
            .env(CACHE, fixture.cache.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    for mut child in [spawn(), spawn()] {
        assert!(child.wait().unwrap().success());
    }
    let requests = fixture.server.take_requests();
    let heads = requests.iter().filter(|request| request.method == "HEAD").count();
    assert!(heads >= 2, "both processes were there");
    assert_eq!(ranges(&requests), ["", "bytes=100000-"]);
    fixture.assert_is_whole(&fixture.blob());
}

#[test]
fn offline_uses_the_cache_and_nothing_else() {
    let fixture = Fixture::new();
    let file = FileEntry::new(FILE);
    let miss = |revision| {
        fixture.offline().fetch_file(REPO, revision, &file, &mut SilentDownload).unwrap_err()
    };
    for revision in ["main", COMMIT] {
        let error = miss(revision);
        assert_eq!(error.kind(), ErrorKind::Network);
        assert!(error.message().contains(FILE), "{error}");
        let hint = error.hint().unwrap();
        let command = format!("hps-loop models pull hub:owner/name@{revision}/{FILE}");
        assert!(hint.contains(&command), "{hint}");
    }
    assert!(fixture.server.take_requests().is_empty());

    let path = fixture.fetch().unwrap();
    fixture.server.take_requests();
    for revision in ["main", COMMIT] {
        let hit = fixture.offline().fetch_file(REPO, revision, &file, &mut SilentDownload);
        assert_eq!(hit.unwrap(), path);
    }
    assert!(fixture.server.take_requests().is_empty());
}

#[test]
fn offline_misses_of_known_models_name_the_model() {
    let fixture = Fixture::new();
    let file = FileEntry::new("HPS_v2.1_compressed.pt");
    let result = fixture.offline().fetch_file("xswu/HPSv2", "main", &file, &mut SilentDownload);
    let error = result.unwrap_err();
    assert!(error.hint().unwrap().contains("`hps-loop models pull hps-v2.1`"), "{error:?}");
}

#[test]
fn a_hub_that_is_down_does_not_matter_once_cached() {
    let fixture = Fixture::new();
    let path = fixture.fetch().unwrap();
    for fault in [Fault::Status(503, ""), Fault::Status(404, ""), Fault::Status(401, "")] {
        fixture.server.hub_fault(fault);
        assert_eq!(fixture.fetch().unwrap(), path);
    }
    let mut options = fixture.options();
    options.endpoint = "http://127.0.0.1:9".into();
    let hub = Hub::new(options);
    let file = FileEntry::new(FILE);
    assert_eq!(hub.fetch_file(REPO, "main", &file, &mut SilentDownload).unwrap(), path);
    let error = hub.fetch_file(REPO, "other", &file, &mut SilentDownload).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
}

#[test]
fn damaged_cache_entries_are_replaced() {
    let fixture = Fixture::new();
    // Cut short.
    fixture.fetch().unwrap();
    fs::write(fixture.blob(), b"short").unwrap();
    fixture.assert_is_whole(&fixture.fetch().unwrap());
    // A link to nothing.
    fs::remove_file(fixture.blob()).unwrap();
    fixture.assert_is_whole(&fixture.fetch().unwrap());
    // A reference that is no commit.
    fs::write(fixture.repo_dir().join("refs/main"), "../../..").unwrap();
    fixture.assert_is_whole(&fixture.fetch().unwrap());
    assert_eq!(fs::read_to_string(fixture.repo_dir().join("refs/main")).unwrap(), COMMIT);
    // With a known size, even a fixed commit and no network.
    fs::write(fixture.blob(), b"short").unwrap();
    let file = FileEntry { size: Some(300_000), ..FileEntry::new(FILE) };
    let offline = fixture.offline().fetch_file(REPO, COMMIT, &file, &mut SilentDownload);
    assert_eq!(offline.unwrap_err().kind(), ErrorKind::Network);
    let online = fixture.hub().fetch_file(REPO, COMMIT, &file, &mut SilentDownload);
    fixture.assert_is_whole(&online.unwrap());
}

#[test]
fn names_that_leave_the_cache_are_refused() {
    let fixture = Fixture::new();
    let hub = fixture.hub();
    for (repo, revision, path) in [
        (REPO, "main", "../../../../etc/passwd"),
        (REPO, "main", "/etc/passwd"),
        (REPO, "main", "a/../../b"),
        (REPO, "../..", FILE),
        ("../..", "main", FILE),
        ("owner/..", "main", FILE),
    ] {
        let file = FileEntry::new(path);
        let error = hub.fetch_file(repo, revision, &file, &mut SilentDownload).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{repo} {revision} {path}");
        assert_eq!(hub.cached_file(repo, revision, &file), None);
    }
    assert!(fixture.server.take_requests().is_empty());
}

/// Sets a flag once the first bytes have come.
struct StopAtFirstBytes(Arc<AtomicBool>);

impl DownloadObserver for StopAtFirstBytes {
    fn advance(&mut self, _bytes: u64) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_stop_keeps_the_part() {
    let fixture = Fixture::new();
    fixture.server.storage_fault(Fault::Stall(100_000));
    let cancel = Arc::new(AtomicBool::new(false));
    let hub = fixture.hub().with_cancel(Arc::clone(&cancel));
    let mut observer = StopAtFirstBytes(cancel);
    let error = hub.fetch_file(REPO, "main", &FileEntry::new(FILE), &mut observer).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    let kept = fs::metadata(fixture.partial()).unwrap().len();
    assert!((1..=100_000).contains(&kept), "{kept}");
    fixture.server.take_requests();

    fixture.assert_is_whole(&fixture.fetch().unwrap());
    assert_eq!(ranges(&fixture.server.take_requests()), [format!("bytes={kept}-")]);
}

#[test]
fn a_stop_does_not_wait_for_a_silent_server() {
    let fixture = Fixture::new();
    fixture.server.storage_fault(Fault::Stall(0));
    let cancel = Arc::new(AtomicBool::new(false));
    // Without the stop this would wait for an hour.
    let options = HubOptions { stall_timeout: Duration::from_secs(3600), ..fixture.options() };
    let hub = Hub::new(options).with_cancel(Arc::clone(&cancel));
    thread::scope(|scope| {
        let work = scope.spawn(|| {
            hub.fetch_file(REPO, "main", &FileEntry::new(FILE), &mut SilentDownload).unwrap_err()
        });
        while !fixture.partial().exists() {
            thread::sleep(Duration::from_millis(5));
        }
        cancel.store(true, Ordering::Relaxed);
        assert_eq!(work.join().unwrap().kind(), ErrorKind::Interrupted);
    });
}

#[test]
fn a_folder_is_one_snapshot() {
    let fixture = Fixture::new();
    let server = &fixture.server;
    server.add_small(COMMIT, "model_index.json", b"{}");
    server.add_small(COMMIT, "unet/empty.json", b"");
    server.add_large(COMMIT, "unet/weights.safetensors", b"unet");
    let paths = ["model_index.json", "unet/weights.safetensors", "unet/empty.json"];
    let files = paths.map(FileEntry::new);
    let fetch = |hub: Hub| hub.fetch_folder(REPO, "main", &files, &mut SilentDownload);

    let folder = fetch(fixture.hub()).unwrap();
    assert_eq!(folder, fixture.repo_dir().join("snapshots").join(COMMIT));
    assert_eq!(fs::read(folder.join("model_index.json")).unwrap(), b"{}");
    assert_eq!(fs::read(folder.join("unet/weights.safetensors")).unwrap(), b"unet");
    assert_eq!(fs::read(folder.join("unet/empty.json")).unwrap(), b"");
    server.take_requests();

    assert_eq!(fetch(fixture.hub()).unwrap(), folder);
    assert_eq!(server.take_requests().len(), 1, "one question for the whole folder");
    assert_eq!(fetch(fixture.offline()).unwrap(), folder);

    // Half a snapshot is none.
    fs::remove_file(folder.join("unet/empty.json")).unwrap();
    let error = fetch(fixture.offline()).unwrap_err();
    assert!(error.message().contains("unet/empty.json"), "{error}");
    let none = fixture.hub().fetch_folder(REPO, "main", &[], &mut SilentDownload);
    assert_eq!(none.unwrap_err().kind(), ErrorKind::InvalidInput);
}

/// Moves the branch while the first file of a folder comes.
struct MoveMain<'a>(&'a HubServer);

impl DownloadObserver for MoveMain<'_> {
    fn start(&mut self, _file: &str, _size: Option<u64>, _resumed_from: u64) {
        self.0.move_main(NEXT_COMMIT);
    }
}

#[test]
fn a_folder_is_never_mixed_from_two_commits() {
    let fixture = Fixture::new();
    let server = &fixture.server;
    for (commit, bytes) in [(COMMIT, b"old"), (NEXT_COMMIT, b"new")] {
        server.add_large(commit, "a", bytes);
        server.add_large(commit, "b", bytes);
    }
    // The branch moves, and the first try at the first file is cut short.
    server.storage_fault(Fault::Truncate(1));
    let files = ["a", "b"].map(FileEntry::new);
    let folder = fixture.hub().fetch_folder(REPO, "main", &files, &mut MoveMain(server)).unwrap();
    assert_eq!(fs::read(folder.join("a")).unwrap(), b"old");
    assert_eq!(fs::read(folder.join("b")).unwrap(), b"old");
}

#[test]
fn files_are_listed_by_the_hub_or_from_the_cache() {
    let fixture = Fixture::new();
    fixture.server.add_small(COMMIT, "unet/config.json", b"{}");
    fixture.server.add_small(COMMIT, "../../evil", b"");
    let list = |hub: Hub| hub.list_files(REPO, "main", &mut SilentDownload);

    let error = list(fixture.offline()).unwrap_err();
    assert!(error.message().starts_with("owner/name@main is not in the cache"), "{error}");
    assert_eq!(list(fixture.hub()).unwrap(), [FILE, "unet/config.json"], "safe names only");

    let file = FileEntry::new("unet/config.json");
    fixture.hub().fetch_file(REPO, "main", &file, &mut SilentDownload).unwrap();
    assert_eq!(list(fixture.offline()).unwrap(), ["unet/config.json"]);
    fixture.server.hub_fault(Fault::Status(500, ""));
    assert_eq!(list(fixture.hub()).unwrap(), ["unet/config.json"]);

    fixture.server.take_requests();
    fixture.server.hub_fault(Fault::Status(404, "X-Error-Code: RepoNotFound\r\n"));
    let error = fixture.hub().list_files("no/such", "main", &mut SilentDownload).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.message(), "no/such@main: there is no repository no/such");
}

#[test]
fn a_cache_that_cannot_be_written_to_is_named() {
    let fixture = Fixture::new();
    let file_in_the_way = fixture.cache.path().join("file");
    fs::write(&file_in_the_way, "").unwrap();
    let options = HubOptions { cache_dir: file_in_the_way, ..fixture.options() };
    let file = FileEntry::new(FILE);
    let error = Hub::new(options).fetch_file(REPO, "main", &file, &mut SilentDownload).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert!(error.hint().unwrap().contains("HF_HOME"), "{error:?}");
}

#[test]
fn another_web_server_is_recognised() {
    let fixture = Fixture::new();
    fixture.server.hub_fault(Fault::Status(200, ""));
    let error = fixture.fetch().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.hint().unwrap().contains("HF_ENDPOINT"), "{error:?}");

    // Redirects in a circle end.
    for _ in 0..10 {
        fixture.server.hub_fault(Fault::Status(302, "Location: /\r\n"));
    }
    assert_eq!(fixture.fetch().unwrap_err().kind(), ErrorKind::Network);
}

#[test]
fn verification_reads_the_bytes() {
    let fixture = Fixture::new();
    let file = FileEntry::new(FILE);
    let verify = |file: &FileEntry<'_>| fixture.hub().verify_file(REPO, "main", file);
    assert_eq!(verify(&file).unwrap_err().kind(), ErrorKind::NotFound);

    fixture.fetch().unwrap();
    let verified = verify(&file).unwrap();
    assert_eq!((verified.size, verified.sha256.to_string()), (300_000, fixture.sha256.clone()));
    assert_eq!(verified.digest_known, cfg!(unix));
    let sized = FileEntry { size: Some(1), ..file };
    assert_eq!(verify(&sized).unwrap_err().kind(), ErrorKind::InvalidWeights);

    let mut damaged = fixture.bytes.clone();
    damaged[12_345] ^= 1;
    fs::write(fixture.blob(), damaged).unwrap();
    let known = FileEntry { sha256: Some(&fixture.sha256), ..file };
    let error = verify(&known).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidWeights);
    assert!(error.hint().unwrap().contains(&fixture.sha256), "{error:?}");
}

#[test]
fn a_login_of_the_python_package_is_used() {
    let fixture = Fixture::new();
    let home = fixture.cache.path().join("home");
    fs::create_dir_all(&home).unwrap();
    fs::write(home.join("token"), "hf_fromfile\n").unwrap();
    let endpoint = fixture.server.endpoint() + "/";
    let options = HubOptions::from_vars(|name| match name {
        "HF_HOME" => Some(home.clone().into()),
        "HF_ENDPOINT" => Some(endpoint.clone().into()),
        _ => None,
    })
    .unwrap();
    let file = FileEntry::new(FILE);
    let path = Hub::new(options).fetch_file(REPO, "main", &file, &mut SilentDownload).unwrap();
    assert!(path.starts_with(home.join("hub")));
    let requests = fixture.server.take_requests();
    assert_eq!(requests[0].header("authorization"), Some("Bearer hf_fromfile"));
}
