//! From an answer's JSON to a prompt.

use hps_core::{Error, ErrorKind};
use serde_json::Value;

use super::failure::{Failure, message, network, quote};
use super::usage::Usage;

/// How an answer begins that is none, in lower case with plain apostrophes.
const REFUSALS: [&str; 12] = [
    "i'm sorry",
    "i am sorry",
    "sorry,",
    "i can't",
    "i cannot",
    "i can not",
    "i won't",
    "i'm unable",
    "i am unable",
    "i'm not able",
    "as an ai",
    "i apologize",
];

/// What models write before the prompt although they should not.
const LABELS: [&str; 8] = [
    "cleaned prompt:",
    "rewritten prompt:",
    "clean prompt:",
    "here is the rewritten prompt:",
    "here is the cleaned prompt:",
    "here's the rewritten prompt:",
    "here's the cleaned prompt:",
    "prompt:",
];

/// The rewritten prompt in a successful answer, and what it cost. `sent` is the number
/// of bytes of the request's messages.
pub(super) fn read(body: &Value, original: &str, sent: usize) -> Result<(String, Usage), Failure> {
    let Some(choice) = body.pointer("/choices/0") else {
        // Some gateways report errors with the status of success.
        let said = message(body).unwrap_or_else(|| "it has no choices".to_owned());
        return Err(Failure::Setup(network(format!("the answer is no chat completion: {said}"))));
    };
    let content = content(choice.pointer("/message/content"));
    let usage = usage(body).unwrap_or_else(|| Usage::estimate(sent, content.len()));
    let failed = |what: String| Err(Failure::Prompt(Error::new(ErrorKind::Model, what), usage));
    if let Some(refusal) = choice.pointer("/message/refusal").and_then(Value::as_str) {
        return failed(format!("the model refused: {}", quote(refusal)));
    }
    match choice.get("finish_reason").and_then(Value::as_str) {
        Some("content_filter") => return failed("the model refused: content filter".to_owned()),
        Some("length") => return failed("the answer was cut off".to_owned()),
        _ => {}
    }
    let text = plain(&content, original);
    if text.is_empty() {
        return failed("the answer is empty".to_owned());
    }
    if begins_with(&text, &REFUSALS) && !begins_with(original, &REFUSALS) {
        return failed(format!("the model refused: {}", quote(&text)));
    }
    // Rewriting removes; a much longer text is talk or an answer to the prompt.
    let (length, before) = (text.chars().count(), original.chars().count());
    if length > 2 * before + 80 {
        return failed(format!("the answer is no rewrite ({length} characters): {}", quote(&text)));
    }
    Ok((text, usage))
}

/// The text of a message: a string, or a list of parts.
fn content(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            parts.iter().filter_map(|part| part.get("text").and_then(Value::as_str)).collect()
        }
        _ => String::new(),
    }
}

fn usage(body: &Value) -> Option<Usage> {
    let count = |name: &str| body.pointer(name).and_then(Value::as_u64);
    Some(Usage {
        prompt_tokens: count("/usage/prompt_tokens")?,
        completion_tokens: count("/usage/completion_tokens").unwrap_or_default(),
        estimated: false,
    })
}

/// The answer without reasoning, fences, labels and quotation marks, in one line
/// unless the original has several.
fn plain(content: &str, original: &str) -> String {
    let mut text = match content.rsplit_once("</think>") {
        Some((_, answer)) => answer.trim(),
        None => content.trim(),
    };
    if let Some(fenced) = text.strip_prefix("```").and_then(|rest| rest.strip_suffix("```")) {
        let (language, rest) = fenced.split_once('\n').unwrap_or(("", fenced));
        text = if language.contains(' ') { fenced } else { rest }.trim();
    }
    for label in LABELS {
        let head = text.get(..label.len()).unwrap_or_default();
        if head.eq_ignore_ascii_case(label) && !begins_with(original, &[label]) {
            text = text.get(label.len()..).unwrap_or_default().trim();
        }
    }
    for (open, close) in [("\"", "\""), ("“", "”"), ("'", "'"), ("`", "`")] {
        let inner = text.strip_prefix(open).and_then(|rest| rest.strip_suffix(close));
        if let Some(inner) = inner.filter(|inner| !inner.contains(open))
            && !original.trim().starts_with(open)
        {
            text = inner.trim();
        }
    }
    if original.trim().contains('\n') {
        return text.to_owned();
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn begins_with(text: &str, beginnings: &[&str]) -> bool {
    let head: String = text.trim_start().chars().take(40).collect();
    let head = head.to_lowercase().replace('’', "'");
    beginnings.iter().any(|beginning| head.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn answer(content: Value, reason: &str) -> Value {
        json!({
            "choices": [{"message": {"content": content}, "finish_reason": reason}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 3},
        })
    }

    fn text(content: &str) -> Result<String, Failure> {
        read(&answer(json!(content), "stop"), "a fox, 8k", 10).map(|(text, _)| text)
    }

    #[test]
    fn talk_around_the_prompt_goes() {
        for content in [
            "a fox",
            " a fox\n",
            "\"a fox\"",
            "“a fox”",
            "Cleaned prompt: \"a fox\"",
            "```\na fox\n```",
            "```text\na fox\n```",
            "<think>8k is a function word</think>\n\na  fox",
        ] {
            assert_eq!(text(content).unwrap(), "a fox", "{content}");
        }
        let parts = answer(json!([{"type": "text", "text": "a "}, {"text": "fox"}]), "stop");
        assert_eq!(read(&parts, "a fox", 1).unwrap().0, "a fox");
    }

    #[test]
    fn answers_that_are_none() {
        let failed = |result: Result<_, Failure>| match result {
            Err(Failure::Prompt(error, usage)) => (error.message().to_owned(), usage.total()),
            other => panic!("{other:?}"),
        };
        for (content, reason, expected) in [
            (json!(""), "stop", "the answer is empty"),
            (json!(null), "stop", "the answer is empty"),
            (json!("\"\""), "stop", "the answer is empty"),
            (json!("I’m sorry, but I can't help."), "stop", "the model refused: I’m sorry"),
            (json!("a f"), "length", "the answer was cut off"),
            (json!(""), "content_filter", "the model refused: content filter"),
            (json!("fox ".repeat(60)), "stop", "the answer is no rewrite (239 characters)"),
        ] {
            let (message, tokens) = failed(read(&answer(content, reason), "a fox, 8k", 10));
            assert!(message.starts_with(expected), "{message}");
            assert_eq!(tokens, 12);
        }
        let refusal = json!({"choices": [{"message": {"content": null, "refusal": "no"}}]});
        assert_eq!(failed(read(&refusal, "a fox", 40)), ("the model refused: no".to_owned(), 10));
        assert_eq!(text("I'm sorry").unwrap_err_kind(), ErrorKind::Model);
        let sorry = answer(json!("I'm sorry, says a fox"), "stop");
        assert!(read(&sorry, "I'm sorry, says a fox, 8k", 1).is_ok());
    }

    trait ErrKind {
        fn unwrap_err_kind(self) -> ErrorKind;
    }

    impl ErrKind for Result<String, Failure> {
        fn unwrap_err_kind(self) -> ErrorKind {
            match self {
                Err(Failure::Prompt(error, _)) => error.kind(),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_no_completion_is_a_wrong_endpoint() {
        for body in [json!({}), json!([]), json!({"choices": []}), json!({"error": "overloaded"})] {
            assert!(matches!(read(&body, "a fox", 1), Err(Failure::Setup(_))), "{body}");
        }
    }

    proptest! {
        #[test]
        fn any_answer_is_survived(content in "(\\PC|[\"`'\n]|think|</think>|prompt:){0,40}", original in "\\PC{0,20}") {
            let _ = read(&answer(json!(content), "stop"), &original, 3);
        }
    }
}
