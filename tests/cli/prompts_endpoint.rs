//! `prompts clean --endpoint`: against a chat endpoint that fails as real ones do.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chat_server::{ChatRequest, ChatServer, Reply};
use crate::harness::{Hps, Outcome, Sandbox};

/// The sandbox has ten prompts, each with a word of its own.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::new();
    let prompts: String = (0..10).map(|i| format!("fox {i}, trending on artstation\n")).collect();
    sandbox.write("p.txt", prompts);
    sandbox
}

fn clean(sandbox: &Sandbox, server: &ChatServer, words: &str) -> Hps {
    sandbox
        .hps("prompts clean p.txt --out c.jsonl --model tiny --endpoint")
        .arg(server.endpoint())
        .args(words.split_whitespace())
}

fn records(sandbox: &Sandbox) -> Vec<Value> {
    sandbox.read("c.jsonl").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a good model says.
fn good(request: &ChatRequest) -> Reply {
    Reply::Text(request.prompt.split(',').next().unwrap().to_owned())
}

#[test]
fn prompts_are_rewritten_and_paid_for() {
    let sandbox = sandbox();
    let server = ChatServer::start(|request| match (request.prompt.as_str(), request.nth) {
        ("fox 1, trending on artstation", 0) => Reply::Status(429, "retry-after: 0.1\r\n", "{}"),
        ("fox 2, trending on artstation", 0) => Reply::HalfJson,
        ("fox 3, trending on artstation", 0) => Reply::Close,
        _ => good(request),
    });
    let command = clean(&sandbox, &server, "--input-price 2 --output-price 10 --format json");
    let outcome = command.env("HPS_LOOP_API_KEY", "sk-test").expect(0);
    assert!(outcome.stderr.contains("70 tokens sent, 20 received, cost 0.0003"), "{outcome:?}");
    assert_eq!(outcome.json()["changed"], 10);
    let words = outcome.list("ngrams");
    let about = |word: &&Value| word["ngram"] == "trending on artstation";
    let trending = words.iter().find(about).unwrap_or_else(|| panic!("{words:?}"));
    assert_eq!((&trending["before"], &trending["after"]), (&json!(10), &json!(0)));
    let records = records(&sandbox);
    for (index, record) in records.iter().enumerate() {
        assert_eq!(record["index"], index);
        assert_eq!(record["prompt"], format!("fox {index}"));
        assert_eq!(record["usage"], json!({"prompt_tokens": 7, "completion_tokens": 2}));
        assert!(record["method"].as_str().unwrap().starts_with("tiny:"));
    }
    let requests = server.take_requests();
    assert_eq!(requests.len(), 13);
    assert!(requests.iter().all(|r| r.authorization.as_deref() == Some("Bearer sk-test")));
    // Again: nothing is left to ask.
    clean(&sandbox, &server, "").expect(0);
    assert!(server.take_requests().is_empty());
}

#[test]
fn bad_answers_are_records_and_are_tried_again_on_request() {
    let sandbox = sandbox();
    let server = ChatServer::start(|request| match (request.prompt.as_str(), request.nth) {
        ("fox 1, trending on artstation", 0) => Reply::Text("I'm sorry, I can't do that.".into()),
        ("fox 2, trending on artstation", 0) => Reply::Text(String::new()),
        ("fox 3, trending on artstation", 0) => Reply::Status(400, "", r#"{"error": "bad words"}"#),
        _ => good(request),
    });
    let outcome = clean(&sandbox, &server, "").expect(1);
    assert!(outcome.stderr.contains("error: line 2: the model refused"), "{outcome:?}");
    assert!(
        outcome.stderr.contains("7 prompts changed, 0 stay as they are, 3 failed"),
        "{outcome:?}"
    );
    let kinds = |records: &[Value]| -> Vec<Value> {
        records[1..4].iter().map(|record| record["error"]["kind"].clone()).collect()
    };
    assert_eq!(kinds(&records(&sandbox)), ["model", "model", "network"]);
    server.take_requests();
    clean(&sandbox, &server, "").expect(1);
    assert!(server.take_requests().is_empty());
    clean(&sandbox, &server, "--retry-failed").expect(0);
    assert_eq!(server.take_requests().len(), 3);
    let records = records(&sandbox);
    assert_eq!(records.len(), 10);
    // The refusal was paid for as well.
    assert_eq!(records[1]["usage"]["prompt_tokens"], 14);
    assert_eq!(records[3]["usage"]["prompt_tokens"], 7);
}

#[test]
fn the_tokens_are_not_overspent() {
    let sandbox = sandbox();
    let server = ChatServer::start(good);
    let words = "--concurrency 1 --max-tokens-total 30";
    let outcome = clean(&sandbox, &server, words).expect(1);
    assert!(outcome.stderr.contains("the tokens are spent"), "{outcome:?}");
    // Nine each: the fourth answer is past the limit, a fifth request was under way.
    let done = records(&sandbox).len();
    assert!((4..=5).contains(&done), "{done}");
    server.take_requests();
    clean(&sandbox, &server, words).expect(1);
    assert!(server.take_requests().is_empty());
    clean(&sandbox, &server, "--max-tokens-total 1000").expect(0);
    assert_eq!(records(&sandbox).len(), 10);
}

#[test]
fn equal_prompts_are_asked_once() {
    let sandbox = Sandbox::new();
    sandbox.write("p.txt", "fox, 8k\n".repeat(5));
    let server = ChatServer::start(good);
    clean(&sandbox, &server, "").expect(0);
    assert_eq!(server.take_requests().len(), 1);
    let records = records(&sandbox);
    assert!(records.iter().all(|record| record["prompt"] == "fox"));
    assert_eq!(records.iter().filter(|record| record.get("usage").is_some()).count(), 1);
}

#[test]
fn wrong_settings_are_refused() {
    let sandbox = sandbox();
    let refuse = |reply: Reply, words: &str, part: &str| {
        let server = ChatServer::start(move |_| reply.clone());
        let command = clean(&sandbox, &server, words).env("HPS_LOOP_API_KEY", "sk-secret");
        let outcome = command.refused();
        assert!(outcome.stderr.contains(part), "{part}: {outcome:#?}");
        assert!(!outcome.stderr.contains("sk-secret"), "{outcome:#?}");
    };
    let key = Reply::Status(401, "", r#"{"error": {"message": "no such key: sk-secret"}}"#);
    refuse(key, "", "Set HPS_LOOP_API_KEY");
    refuse(Reply::Status(404, "", r#"{"error": "no model tiny"}"#), "", "no model tiny");
    refuse(Reply::Typed("text/html; charset=utf-8", "<h1>Log in</h1>"), "", "not JSON: <h1>Log in");
    refuse(Reply::Text("x".into()), "--api-key-env NO_SUCH_KEY", "NO_SUCH_KEY is not set");
    refuse(Reply::Text("x".into()), "--request 3", "--request is no JSON object");
    let elsewhere =
        "prompts clean p.txt --out c.jsonl --model m --endpoint https://a.example --offline";
    assert!(sandbox.hps(elsewhere).refused().stderr.contains("--offline"));
    let nobody =
        "prompts clean p.txt --out c.jsonl --model m --retries 0 --endpoint http://127.0.0.1:9";
    assert!(sandbox.hps(nobody).refused().stderr.contains("cannot be reached"));
}

#[test]
fn the_flags_reach_the_request() {
    let sandbox = sandbox();
    sandbox.write("instruction.txt", "Be brief.\n");
    let server = ChatServer::start(good);
    clean(&sandbox, &server, "--instruction instruction.txt --api-key-env OTHER")
        .args(["--request", r#"{"temperature": null, "max_tokens": 50}"#])
        .env("OTHER", "sk-other")
        .expect(0);
    let request = &server.take_requests()[0];
    assert_eq!(request.body["messages"][0]["content"], "Be brief.");
    assert_eq!((&request.body["max_tokens"], request.body.get("temperature")), (&json!(50), None));
    assert_eq!(request.authorization.as_deref(), Some("Bearer sk-other"));
    // Another instruction is another method.
    let refused = clean(&sandbox, &server, "").refused();
    assert!(refused.stderr.contains("was made by another method"), "{refused:?}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_done() {
    let sandbox = sandbox();
    let server = ChatServer::start(|request| match request.prompt.as_str() {
        "fox 7, trending on artstation" if request.nth == 0 => Reply::Hang,
        _ => good(request),
    });
    let child = clean(&sandbox, &server, "--concurrency 1").spawn();
    let begun = Instant::now();
    while server.take_requests().iter().all(|request| !request.prompt.starts_with("fox 7")) {
        assert!(begun.elapsed() < Duration::from_secs(60), "prompt 7 never came");
        std::thread::sleep(Duration::from_millis(2));
    }
    let kill = format!("kill -INT {}", child.id());
    assert!(std::process::Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    let outcome = Outcome::of(child, sandbox.path(""));
    assert_eq!(outcome.code, Some(130), "{outcome:#?}");
    assert!(outcome.stderr.contains("3 prompts are left; the same command goes on"), "{outcome:?}");
    assert_eq!(records(&sandbox).len(), 7);
    clean(&sandbox, &server, "--concurrency 1").expect(0);
    assert_eq!(server.take_requests().len(), 3);
    assert_eq!(records(&sandbox).len(), 10);
}
