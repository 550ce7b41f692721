//! A chat endpoint on loopback that answers, or misbehaves, as a test says.

// Several test programs share this, each uses a part.
#![allow(dead_code)]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

/// A request as it came.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    /// The path and its query.
    pub path: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The body.
    pub body: Value,
    /// The text of the last message.
    pub prompt: String,
    /// How often this prompt has come before.
    pub nth: usize,
}

/// What the server does about a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A completion with this text; 7 tokens sent, 2 received.
    Text(String),
    /// This JSON with the status of success.
    Json(Value),
    /// A status, header lines that each end in a line break, and a body.
    Status(u16, &'static str, &'static str),
    /// The status of success with this type and body.
    Typed(&'static str, &'static str),
    /// Half of a completion, then the end of the connection.
    Truncated,
    /// A complete answer whose JSON is cut in half.
    HalfJson,
    /// Nothing, until the client hangs up.
    Hang,
    /// The end of the connection.
    Close,
}

type Script = dyn Fn(&ChatRequest) -> Reply + Send + Sync;

/// The running server. Its threads end with the process.
pub struct ChatServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<ChatRequest>>>,
}

impl ChatServer {
    /// Answers every request as `script` says.
    pub fn start(script: impl Fn(&ChatRequest) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, script): (_, Arc<Script>) = (Arc::clone(&requests), Arc::new(script));
        let counts = Arc::new(Mutex::new(HashMap::new()));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, script, counts) =
                    (Arc::clone(&seen), Arc::clone(&script), Arc::clone(&counts));
                thread::spawn(move || serve(stream, &seen, &counts, &*script));
            }
        });
        ChatServer { address, requests }
    }

    /// The base address, with a path as real ones have.
    pub fn endpoint(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// All requests since the last call.
    pub fn take_requests(&self) -> Vec<ChatRequest> {
        std::mem::take(&mut self.requests.lock().unwrap())
    }
}

fn serve(
    stream: TcpStream,
    seen: &Mutex<Vec<ChatRequest>>,
    counts: &Mutex<HashMap<String, usize>>,
    script: &Script,
) {
    // One answer per connection keeps the server simple.
    let Some(mut request) = read_request(&stream) else { return };
    {
        let mut counts = counts.lock().unwrap();
        let count = counts.entry(request.prompt.clone()).or_insert(0);
        request.nth = *count;
        *count += 1;
    }
    seen.lock().unwrap().push(request.clone());
    let reply = script(&request);
    // A client that has gone needs no answer.
    let _ = answer(stream, &reply);
}

fn read_request(stream: &TcpStream) -> Option<ChatRequest> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().ok()?,
            "authorization" => authorization = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body: Value = serde_json::from_slice(&body).ok()?;
    let prompt = body["messages"].as_array()?.last()?["content"].as_str()?.to_owned();
    Some(ChatRequest { path, authorization, body, prompt, nth: 0 })
}

fn answer(mut stream: TcpStream, reply: &Reply) -> std::io::Result<()> {
    let json = "application/json";
    let whole = |kind: &str, body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\
             connection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let text = match reply {
        Reply::Text(text) => whole(json, &completion(text).to_string()),
        Reply::Json(value) => whole(json, &value.to_string()),
        Reply::Status(code, headers, body) => format!(
            "HTTP/1.1 {code} Reason\r\ncontent-type: {json}\r\ncontent-length: {}\r\n\
             connection: close\r\n{headers}\r\n{body}",
            body.len()
        ),
        Reply::Typed(kind, body) => whole(kind, body),
        Reply::Truncated => {
            let text = whole(json, &completion("a fox").to_string());
            text[..text.len() - 20].to_owned()
        }
        Reply::HalfJson => {
            let body = completion("a fox").to_string();
            whole(json, &body[..body.len() / 2])
        }
        Reply::Hang => {
            let mut rest = Vec::new();
            return stream.read_to_end(&mut rest).map(drop);
        }
        Reply::Close => return Ok(()),
    };
    stream.write_all(text.as_bytes())
}

/// A completion as OpenAI sends it.
pub fn completion(text: &str) -> Value {
    json!({
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": text, "refusal": null},
            "finish_reason": "stop",
        }],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
    })
}
