//! Rewriting prompts against an endpoint that refuses, stalls and talks nonsense.

#![cfg(feature = "endpoint")]
#![allow(clippy::unwrap_used)]

mod chat_server;

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chat_server::{ChatServer, Reply};
use hps_core::{Error, ErrorKind, Result};
use hps_train::prompts::endpoint::{
    ApiKey, EndpointOptions, RewriteEnd, RewriteObserver, Rewritten, Usage, rewrite_all,
};
use serde_json::json;

/// Keeps everything; ends or cancels the work after so many results.
#[derive(Default)]
struct Kept<'a> {
    results: Vec<Rewritten>,
    retries: Vec<String>,
    break_after: Option<usize>,
    cancel_on_retry: Option<&'a AtomicBool>,
}

impl RewriteObserver for Kept<'_> {
    fn finished(&mut self, rewritten: Rewritten) -> Result<ControlFlow<()>> {
        self.results.push(rewritten);
        let enough = self.break_after.is_some_and(|limit| self.results.len() >= limit);
        Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn retry(&mut self, why: &str, _delay: Duration) {
        self.retries.push(why.to_owned());
        if let Some(cancel) = self.cancel_on_retry {
            cancel.store(true, Ordering::Relaxed);
        }
    }
}

impl Kept<'_> {
    /// Results in input order: the text or the error's message.
    fn texts(&mut self) -> Vec<String> {
        self.results.sort_by_key(|result| result.index);
        let text = |result: &Rewritten| match &result.prompt {
            Ok(text) => text.clone(),
            Err(error) => format!("{}: {}", error.kind(), error.message()),
        };
        self.results.iter().map(text).collect()
    }
}

fn options(server: &ChatServer) -> EndpointOptions {
    EndpointOptions {
        max_retries: 3,
        retry_delay: Duration::from_millis(5),
        ..EndpointOptions::new(server.endpoint(), "tiny")
    }
}

fn rewrite<'a>(
    options: &EndpointOptions,
    prompts: &[&str],
    mut kept: Kept<'a>,
) -> (Result<RewriteEnd>, Kept<'a>) {
    let never = AtomicBool::new(false);
    let cancel = kept.cancel_on_retry.unwrap_or(&never);
    let end = rewrite_all(options, prompts, cancel, &mut kept);
    (end, kept)
}

/// All prompts must be answered.
fn texts(options: &EndpointOptions, prompts: &[&str]) -> Vec<String> {
    let (end, mut kept) = rewrite(options, prompts, Kept::default());
    assert_eq!(end.unwrap(), RewriteEnd::Done);
    kept.texts()
}

/// The work must end with this error.
fn error(options: &EndpointOptions, prompts: &[&str]) -> Error {
    rewrite(options, prompts, Kept::default()).0.unwrap_err()
}

fn first_word(prompt: &str) -> Reply {
    Reply::Text(prompt.split(',').next().unwrap_or_default().to_owned())
}

#[test]
fn prompts_are_rewritten_and_counted() {
    let server = ChatServer::start(|request| first_word(&request.prompt));
    let mut options = options(&server);
    options.api_key = Some(ApiKey::new("sk-1").unwrap());
    options.extra.insert("temperature".into(), json!(null));
    options.extra.insert("max_completion_tokens".into(), json!(100));
    let prompts: Vec<String> = (0..20).map(|i| format!("fox {i}, 8k")).collect();
    let prompts: Vec<&str> = prompts.iter().map(String::as_str).collect();
    let (end, mut kept) = rewrite(&options, &prompts, Kept::default());
    assert_eq!(end.unwrap(), RewriteEnd::Done);
    let expected: Vec<String> = (0..20).map(|i| format!("fox {i}")).collect();
    assert_eq!(kept.texts(), expected);
    let one = Usage { prompt_tokens: 7, completion_tokens: 2, estimated: false };
    assert!(kept.results.iter().all(|result| result.usage == one));
    for request in server.take_requests() {
        assert_eq!(request.path, "/v1/chat/completions");
        assert_eq!(request.authorization.as_deref(), Some("Bearer sk-1"));
        assert_eq!(request.body["model"], "tiny");
        assert_eq!(request.body["max_completion_tokens"], 100);
        assert!(request.body.get("temperature").is_none());
        let system = &request.body["messages"][0];
        assert!(system["content"].as_str().unwrap().starts_with("You clean prompts"));
    }
}

#[test]
fn failures_that_pass_are_tried_again() {
    let server = ChatServer::start(|request| match (request.nth, request.prompt.as_str()) {
        (0, "busy, 8k") => Reply::Status(429, "retry-after: 0.05\r\n", "{}"),
        (0, "broken, 8k") => Reply::Status(500, "", "not even JSON"),
        (1, "broken, 8k") => Reply::Status(503, "", r#"{"error": "overloaded"}"#),
        (0, "cut, 8k") => Reply::Truncated,
        (0, "half, 8k") => Reply::HalfJson,
        (0, "closed, 8k") => Reply::Close,
        _ => first_word(&request.prompt),
    });
    let prompts = ["busy, 8k", "broken, 8k", "cut, 8k", "half, 8k", "closed, 8k", "fine, 8k"];
    let (end, mut kept) = rewrite(&options(&server), &prompts, Kept::default());
    assert_eq!(end.unwrap(), RewriteEnd::Done);
    assert_eq!(kept.texts(), ["busy", "broken", "cut", "half", "closed", "fine"]);
    let said = kept.retries.join("\n");
    for part in ["429", "500", "503: overloaded", "the answer is damaged", "connection failed"] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn hanging_answers_time_out() {
    let server = ChatServer::start(|request| match request.nth {
        0 => Reply::Hang,
        _ => first_word(&request.prompt),
    });
    let options = EndpointOptions { timeout: Duration::from_millis(300), ..options(&server) };
    assert_eq!(texts(&options, &["fox, 8k"]), ["fox"]);
}

#[test]
fn one_bad_prompt_ends_nothing() {
    let server = ChatServer::start(|request| match request.prompt.as_str() {
        "refused" => Reply::Text("I'm sorry, but I can't help with that.".to_owned()),
        "empty" => Reply::Text(" ".to_owned()),
        "long" => Reply::Status(400, "", r#"{"error": {"message": "too long"}}"#),
        "hopeless" => Reply::Status(500, "", "{}"),
        "strange" => Reply::Typed("text/html", "<h1>hello</h1>"),
        "no usage" => Reply::Json(json!({"choices": [{"message": {"content": "ok"}}]})),
        _ => first_word(&request.prompt),
    });
    let prompts = ["fox, 8k", "refused", "empty", "long", "hopeless", "strange", "no usage"];
    // One after another, so that the first has worked before the strange one comes.
    let options = EndpointOptions { concurrency: 1, max_retries: 1, ..options(&server) };
    let (end, mut kept) = rewrite(&options, &prompts, Kept::default());
    assert_eq!(end.unwrap(), RewriteEnd::Done);
    assert_eq!(
        kept.texts(),
        [
            "fox",
            "model: the model refused: I'm sorry, but I can't help with that.",
            "model: the answer is empty",
            "network: the endpoint answers with status 400: too long",
            "network: the endpoint answers with status 500",
            "network: the answer is text/html, not JSON: <h1>hello</h1>",
            "ok",
        ]
    );
    assert_eq!(kept.results[1].usage.total(), 9);
    assert!(kept.results[6].usage.estimated && kept.results[6].usage.total() > 20);
}

#[test]
fn wrong_settings_end_the_work_at_once() {
    let serve = |reply: Reply| ChatServer::start(move |_| reply.clone());
    for (reply, part) in [
        (Reply::Status(401, "", r#"{"error": {"message": "bad key sk-1"}}"#), "401: bad key …"),
        (Reply::Status(404, "", r#"{"error": "no such model"}"#), "404: no such model"),
        (Reply::Status(302, "location: /elsewhere\r\n", ""), "302"),
        (Reply::Typed("text/html", "<h1>"), "text/html, not JSON"),
        (Reply::Json(json!({"error": {"message": "nothing here"}})), "nothing here"),
        (Reply::Status(429, "retry-after: 86400\r\n", ""), "asks to wait 86400 s"),
    ] {
        let server = serve(reply);
        let mut options = EndpointOptions { concurrency: 1, ..options(&server) };
        options.api_key = Some(ApiKey::new("sk-1").unwrap());
        let error = error(&options, &["a", "b", "c"]);
        assert!(error.message().contains(part), "{part}: {error}");
        assert!(!format!("{error:?}").contains("sk-1"), "{error:?}");
        assert_eq!(server.take_requests().len(), 1, "{part}");
    }
}

#[test]
fn an_endpoint_that_is_not_there_ends_the_work() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = EndpointOptions {
        max_retries: 1,
        retry_delay: Duration::from_millis(5),
        ..EndpointOptions::new(format!("http://{free}/v1"), "tiny")
    };
    let error = error(&options, &["a", "b"]);
    assert_eq!(error.kind(), ErrorKind::Network);
    assert!(error.message().contains("cannot be reached"), "{error}");
    let error = self::error(&EndpointOptions::new("nonsense", "tiny"), &["a"]);
    assert_eq!(error.kind(), ErrorKind::InvalidConfig);
}

#[test]
fn too_many_failures_in_a_row_end_the_work() {
    let server = ChatServer::start(|request| match request.prompt.as_str() {
        "0" => first_word("0"),
        _ => Reply::Status(500, "", "{}"),
    });
    let options =
        EndpointOptions { concurrency: 1, max_retries: 0, max_failures: 3, ..options(&server) };
    let prompts: Vec<String> = (0..9).map(|i| i.to_string()).collect();
    let prompts: Vec<&str> = prompts.iter().map(String::as_str).collect();
    let (end, kept) = rewrite(&options, &prompts, Kept::default());
    assert!(end.unwrap_err().message().starts_with("3 prompts failed in a row"));
    assert_eq!(kept.results.len(), 3);
}

#[test]
fn a_stop_keeps_what_is_under_way() {
    let server = ChatServer::start(|request| first_word(&request.prompt));
    let options = EndpointOptions { concurrency: 2, ..options(&server) };
    let prompts = ["a"; 50];
    let kept = Kept { break_after: Some(3), ..Kept::default() };
    let (end, kept) = rewrite(&options, &prompts, kept);
    assert_eq!(end.unwrap(), RewriteEnd::Stopped);
    assert!((3..=5).contains(&kept.results.len()), "{}", kept.results.len());
}

#[test]
fn cancelling_does_not_wait() {
    let server = ChatServer::start(|request| match request.prompt.as_str() {
        "a" => Reply::Status(503, "", ""),
        _ => Reply::Hang,
    });
    let cancel = AtomicBool::new(false);
    let options = EndpointOptions { retry_delay: Duration::from_secs(3600), ..options(&server) };
    let kept = Kept { cancel_on_retry: Some(&cancel), ..Kept::default() };
    let begun = Instant::now();
    let (end, kept) = rewrite(&options, &["b", "c", "a"], kept);
    assert_eq!(end.unwrap(), RewriteEnd::Cancelled);
    assert!(kept.results.is_empty());
    assert!(begun.elapsed() < Duration::from_secs(30));
}
