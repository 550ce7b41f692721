//! A model hub on loopback that misbehaves on demand.
//!
//! Like the real one it has two hosts: the hub answers what a file is and sends
//! large files on to a storage host, which has another port and thus another origin.

use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use sha2::{Digest, Sha256};

/// The only repository.
pub const REPO: &str = "owner/name";
/// The commit that `main` stands for at first.
pub const COMMIT: &str = "1111111111111111111111111111111111111111";
/// A later commit.
pub const NEXT_COMMIT: &str = "2222222222222222222222222222222222222222";

/// Which host a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    Hub,
    Storage,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    pub host: Host,
    pub method: String,
    pub path: String,
    headers: HashMap<String, String>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// One misbehaviour, used up by one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Close the connection after so many bytes of the body.
    Truncate(usize),
    /// Fall silent after so many bytes of the body, until the client hangs up.
    Stall(usize),
    /// Answer with a status and header lines, without a body.
    Status(u16, &'static str),
    /// Answer a range request with the whole file.
    IgnoreRange,
    /// Send as many bytes as there are, but wrong ones.
    Corrupt,
}

#[derive(Clone)]
struct Stored {
    bytes: Arc<Vec<u8>>,
    etag: String,
    large: bool,
}

#[derive(Default)]
struct State {
    files: HashMap<(String, String), Stored>,
    main: String,
    hub_faults: VecDeque<Fault>,
    storage_faults: VecDeque<Fault>,
    requests: Vec<Request>,
}

/// The running server. Its threads end with the process.
pub struct HubServer {
    hub: SocketAddr,
    storage: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl HubServer {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State { main: COMMIT.into(), ..State::default() }));
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (hub, storage) = (listen(), listen());
        let server = HubServer {
            hub: hub.local_addr().unwrap(),
            storage: storage.local_addr().unwrap(),
            state,
        };
        for (host, listener) in [(Host::Hub, hub), (Host::Storage, storage)] {
            let (state, storage) = (Arc::clone(&server.state), server.storage);
            thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let state = Arc::clone(&state);
                    thread::spawn(move || serve(host, stream, &state, storage));
                }
            });
        }
        server
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.hub)
    }

    /// Adds a file that goes through storage and has its SHA-256 as entity tag.
    pub fn add_large(&self, commit: &str, file: &str, bytes: &[u8]) -> String {
        let sha256: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        self.add(commit, file, bytes, sha256.clone(), true);
        sha256
    }

    /// Adds a file that the hub serves itself.
    pub fn add_small(&self, commit: &str, file: &str, bytes: &[u8]) {
        let etag = format!("{:040x}", bytes.len());
        self.add(commit, file, bytes, etag, false);
    }

    fn add(&self, commit: &str, file: &str, bytes: &[u8], etag: String, large: bool) {
        let stored = Stored { bytes: Arc::new(bytes.to_vec()), etag, large };
        self.state.lock().unwrap().files.insert((commit.into(), file.into()), stored);
    }

    /// Moves the branch `main`.
    pub fn move_main(&self, commit: &str) {
        self.state.lock().unwrap().main = commit.into();
    }

    pub fn hub_fault(&self, fault: Fault) {
        self.state.lock().unwrap().hub_faults.push_back(fault);
    }

    pub fn storage_fault(&self, fault: Fault) {
        self.state.lock().unwrap().storage_faults.push_back(fault);
    }

    /// All requests since the last call.
    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.lock().unwrap().requests)
    }
}

fn serve(host: Host, mut stream: TcpStream, state: &Mutex<State>, storage: SocketAddr) {
    let Some(request) = read_request(host, &stream) else { return };
    let (fault, answer) = {
        let mut state = state.lock().unwrap();
        state.requests.push(request.clone());
        let fault = match host {
            Host::Hub => state.hub_faults.pop_front(),
            Host::Storage => state.storage_faults.pop_front(),
        };
        (fault, find(&state, &request))
    };
    // A client that hangs up in the middle is part of the tests.
    let listing = listing(&state.lock().unwrap(), &request);
    let _ = match (fault, answer) {
        (Some(Fault::Status(status, lines)), _) => {
            write!(
                stream,
                "HTTP/1.1 {status} X\r\n{lines}Connection: close\r\nContent-Length: 0\r\n\r\n"
            )
        }
        (_, None) if listing.is_some() => {
            let body = listing.unwrap();
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
        }
        (_, None) => write!(
            stream,
            "HTTP/1.1 404 Not Found\r\nX-Error-Code: EntryNotFound\r\n\
             Connection: close\r\nContent-Length: 0\r\n\r\n"
        ),
        (fault, Some((commit, stored))) => match host {
            Host::Hub if stored.large => {
                let Stored { bytes, etag, .. } = &stored;
                write!(
                    stream,
                    "HTTP/1.1 302 Found\r\nX-Repo-Commit: {commit}\r\nX-Linked-Etag: \"{etag}\"\r\n\
                     X-Linked-Size: {}\r\nLocation: http://{storage}/{etag}?signature=s3cret\r\n\
                     Content-Length: 0\r\nConnection: close\r\n\r\n",
                    bytes.len()
                )
            }
            _ => send_file(&mut stream, &request, &commit, &stored, fault),
        },
    };
}

fn read_request(host: Host, stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let first = lines.next()?;
    let mut words = first.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_ascii_lowercase(), value.trim().to_owned()))
        })
        .collect();
    Some(Request { host, method, path, headers })
}

fn find(state: &State, request: &Request) -> Option<(String, Stored)> {
    if request.host == Host::Storage {
        let etag = request.path.trim_start_matches('/').split('?').next()?;
        let stored = state.files.values().find(|stored| stored.etag == etag)?;
        return Some((String::new(), stored.clone()));
    }
    let rest = request.path.strip_prefix(&format!("/{REPO}/resolve/"))?;
    let (revision, file) = rest.split_once('/')?;
    let commit = if revision == "main" { &state.main } else { revision };
    let stored = state.files.get(&(commit.to_owned(), file.to_owned()))?;
    Some((commit.to_owned(), stored.clone()))
}

/// The answer to a question for the files of a repository.
fn listing(state: &State, request: &Request) -> Option<String> {
    let revision = request.path.strip_prefix(&format!("/api/models/{REPO}/revision/"))?;
    let commit = if revision == "main" { &state.main } else { revision };
    let files = state.files.keys().filter(|(at, _)| at == commit);
    let siblings: Vec<String> =
        files.map(|(_, file)| format!("{{\"rfilename\": \"{file}\", \"x\": 1}}")).collect();
    Some(format!("{{\"sha\": \"{commit}\", \"siblings\": [{}]}}", siblings.join(", ")))
}

fn send_file(
    stream: &mut TcpStream,
    request: &Request,
    commit: &str,
    stored: &Stored,
    fault: Option<Fault>,
) -> std::io::Result<()> {
    let total = stored.bytes.len();
    let range = request.header("range").filter(|_| !matches!(fault, Some(Fault::IgnoreRange)));
    let start = range
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let status = match start {
        Some(start) if start >= total => {
            return write!(
                stream,
                "HTTP/1.1 416 X\r\nContent-Range: bytes */{total}\r\n\
                 Connection: close\r\nContent-Length: 0\r\n\r\n"
            );
        }
        Some(start) => {
            format!("206 Partial Content\r\nContent-Range: bytes {start}-{}/{total}", total - 1)
        }
        None => "200 OK".to_owned(),
    };
    let mut body = stored.bytes[start.unwrap_or(0)..].to_vec();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nX-Repo-Commit: {commit}\r\nETag: \"{}\"\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        stored.etag,
        body.len()
    )?;
    if request.method == "HEAD" {
        return Ok(());
    }
    match fault {
        Some(Fault::Truncate(bytes)) => stream.write_all(&body[..bytes.min(body.len())]),
        Some(Fault::Stall(bytes)) => {
            stream.write_all(&body[..bytes.min(body.len())])?;
            // Nothing comes, so this waits until the client hangs up.
            stream.read(&mut [0]).map(|_| ())
        }
        Some(Fault::Corrupt) => {
            body.iter_mut().for_each(|byte| *byte ^= 1);
            stream.write_all(&body)
        }
        _ => stream.write_all(&body),
    }
}
