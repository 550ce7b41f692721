//! All rules together.

use std::borrow::Cow;
use std::collections::BTreeSet;

use hps_core::{Error, ErrorKind, Result};
use regex::Regex;

use super::emphasis::without_emphasis;
use super::parts::{Part, join, parts};
use super::removal::remove_spans;
use super::rule::{Rule, RuleFile, RuleScope, compile};
use super::tidy::tidy;

const BUNDLED: &str = include_str!("../../../data/prompts/rules.toml");

/// Little words that may stand between the terms of a part that has nothing else.
const LITTLE: &str = "and|&|very|so|extremely|ultra|super|highly|hyper|insanely|incredibly|most|\
    more|really|a|an|the|in|with|of|by|on|as|at|is|are|it|for|plus|also|style|extreme|beautiful";

/// What became of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// The prompt without function words; empty if it had nothing else.
    pub text: String,
    /// Names of the rules that applied, in alphabetical order.
    pub rules: Vec<String>,
}

/// A list of rules, ready to apply. Made once, used from any thread.
#[derive(Debug)]
pub struct RuleSet {
    rules: Vec<Rule>,
    digest: String,
    syntax: Vec<Replacement>,
    emphasis: Option<String>,
    phrases: Vec<(String, Regex)>,
    segments: Segments,
}

#[derive(Debug)]
struct Replacement {
    id: String,
    regex: Regex,
    with: String,
}

/// Rules about whole parts.
#[derive(Debug, Default)]
struct Segments {
    /// Matches a part that has terms of any rule only.
    any: Option<Regex>,
    /// The same with the rules that also apply to the first part.
    first: Option<Regex>,
    /// To say which rules applied.
    each: Vec<(String, Regex)>,
}

impl RuleSet {
    /// The rules that come with this program.
    ///
    /// # Errors
    ///
    /// None, which a test says.
    pub fn bundled() -> Result<Self> {
        Self::parse(BUNDLED)
    }

    /// Rules in the format of the bundled file (`rules.toml`).
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] if it is no such TOML, a name occurs twice, a
    /// pattern is wrong, or an example does not come out as it says.
    pub fn parse(toml: &str) -> Result<Self> {
        let file: RuleFile = toml::from_str(toml).map_err(|error| {
            Error::new(ErrorKind::InvalidConfig, format!("not a list of rules: {error}"))
        })?;
        let set = Self::compile(&file, file.rule.clone())?;
        let mut names = BTreeSet::new();
        for rule in &set.rules {
            if !names.insert(&rule.id) {
                return Err(wrong(rule, "the name occurs twice"));
            }
            let cleaned = set.clean(&rule.before);
            if cleaned.text != rule.after {
                return Err(wrong(rule, &format!("its example becomes {:?}", cleaned.text)));
            }
            if !cleaned.rules.contains(&rule.id) {
                return Err(wrong(rule, "does not apply to its example"));
            }
        }
        Ok(set)
    }

    /// Rules in the format of the bundled file, without those whose name or category
    /// is in `keep`.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and for a name that no rule has.
    pub fn parse_without(toml: &str, keep: &[String]) -> Result<Self> {
        let set = Self::parse(toml)?;
        let is = |rule: &Rule, name: &str| rule.id == name || rule.category == name;
        for name in keep {
            if !set.rules.iter().any(|rule| is(rule, name)) {
                let known: BTreeSet<&str> =
                    set.rules.iter().map(|rule| rule.category.as_str()).collect();
                let known: Vec<&str> = known.into_iter().collect();
                let message = format!("there is no rule or category '{name}'");
                return Err(Error::new(ErrorKind::InvalidConfig, message)
                    .with_hint(format!("Categories are {}.", known.join(", "))));
            }
        }
        if keep.is_empty() {
            return Ok(set);
        }
        let file: RuleFile = toml::from_str(toml).map_err(|error| {
            Error::new(ErrorKind::InvalidConfig, format!("not a list of rules: {error}"))
        })?;
        let kept = |rule: &Rule| !keep.iter().any(|name| is(rule, name));
        Self::compile(&file, set.rules.into_iter().filter(kept).collect())
    }

    /// The text of the bundled rules, as a start for one's own.
    pub fn bundled_toml() -> &'static str {
        BUNDLED
    }

    fn compile(file: &RuleFile, rules: Vec<Rule>) -> Result<Self> {
        let (mut syntax, mut emphasis, mut phrases) = (Vec::new(), None, Vec::new());
        for rule in &rules {
            let pattern = file.alternatives(rule);
            match rule.scope {
                RuleScope::Syntax => syntax.push(Replacement {
                    id: rule.id.clone(),
                    regex: compile(&rule.id, &pattern)?,
                    with: rule.replace.clone(),
                }),
                RuleScope::Emphasis => emphasis = Some(rule.id.clone()),
                RuleScope::Phrase => {
                    let regex = compile(&rule.id, &format!(r"\b{pattern}\b"))?;
                    phrases.push((rule.id.clone(), regex));
                }
                RuleScope::Segment => {}
            }
        }
        let segments = Segments::compile(file, &rules)?;
        let digest = digest(file, &rules);
        Ok(RuleSet { rules, digest, syntax, emphasis, phrases, segments })
    }

    /// The rules, in the order of their file.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A short name for exactly these rules: equal lists have equal ones.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Removes function words.
    pub fn clean(&self, prompt: &str) -> Cleaned {
        let mut text = Cow::Borrowed(prompt);
        let mut applied = BTreeSet::new();
        while let Some(shorter) = self.pass(&text, &mut applied) {
            text = Cow::Owned(shorter);
        }
        Cleaned { text: text.into_owned(), rules: applied.into_iter().collect() }
    }

    /// Applies every rule once; `None` if none applies.
    fn pass(&self, text: &str, applied: &mut BTreeSet<String>) -> Option<String> {
        let mut current = Cow::Borrowed(text);
        let mut note = |id: &String, shorter: String, current: &mut Cow<'_, str>| {
            // Rules that do not shorten could go on for ever.
            if shorter.len() < current.len() {
                applied.insert(id.clone());
                *current = Cow::Owned(shorter);
            }
        };
        for rule in &self.syntax {
            if let Cow::Owned(replaced) = rule.regex.replace_all(&current, rule.with.as_str()) {
                note(&rule.id, replaced, &mut current);
            }
        }
        if let Some(id) = &self.emphasis
            && let Some(without) = without_emphasis(&current)
        {
            note(id, without, &mut current);
        }
        for (id, regex) in &self.phrases {
            let spans: Vec<_> = regex
                .find_iter(&current)
                .map(|found| found.range())
                .filter(|span| !is_possessive(&current, span.end))
                .collect();
            if !spans.is_empty() {
                let without = remove_spans(&current, &spans);
                note(id, without, &mut current);
            }
        }
        let (ids, without) = self.segments.remove(&current);
        for id in &ids {
            applied.insert(id.clone());
        }
        let current = without.map_or(current, Cow::Owned);
        (current.len() < text.len()).then(|| tidy(&current))
    }
}

impl Segments {
    fn compile(file: &RuleFile, rules: &[Rule]) -> Result<Self> {
        let about_parts = || rules.iter().filter(|rule| rule.scope == RuleScope::Segment);
        let whole = |rules: Vec<&Rule>| {
            let terms: Vec<String> = rules.iter().map(|rule| file.alternatives(rule)).collect();
            if terms.is_empty() {
                return Ok(None);
            }
            let (terms, gap) = (terms.join("|"), r"[\W_]+");
            let pattern = format!(
                r"^[\W_]*(?:(?:{LITTLE}){gap})*(?:{terms})(?:{gap}(?:{LITTLE}|{terms}))*[\W_]*$"
            );
            compile("of parts", &pattern).map(Some)
        };
        let each = about_parts().map(|rule| {
            let pattern = format!(r"(?:^|[\W_]){}(?:[\W_]|$)", file.alternatives(rule));
            Ok((rule.id.clone(), compile(&rule.id, &pattern)?))
        });
        Ok(Segments {
            any: whole(about_parts().collect())?,
            first: whole(about_parts().filter(|rule| !rule.not_first).collect())?,
            each: each.collect::<Result<_>>()?,
        })
    }

    /// The text without parts that have function words only, and the rules behind it.
    fn remove(&self, text: &str) -> (Vec<String>, Option<String>) {
        let parts = parts(text);
        let goes = |(index, part): (usize, &Part<'_>)| {
            let regex = if index == 0 { &self.first } else { &self.any };
            regex.as_ref().is_some_and(|regex| regex.is_match(part.text))
        };
        let gone: Vec<bool> = parts.iter().enumerate().map(goes).collect();
        if !gone.contains(&true) {
            return (Vec::new(), None);
        }
        let removed = || parts.iter().zip(&gone).filter(|(_, gone)| **gone).map(|(part, _)| part);
        let applies = |regex: &Regex| removed().any(|part| regex.is_match(part.text));
        let ids = self.each.iter().filter(|(_, regex)| applies(regex));
        let ids = ids.map(|(id, _)| id.clone()).collect();
        (ids, Some(join(&parts, |index| !gone.get(index).copied().unwrap_or_default())))
    }
}

/// Whether `'s` follows: then a name is no credit but part of the sentence.
fn is_possessive(text: &str, end: usize) -> bool {
    text.get(end..).is_some_and(|rest| rest.starts_with(['\'', '’']))
}

fn digest(file: &RuleFile, rules: &[Rule]) -> String {
    let mut hasher = blake3::Hasher::new();
    for rule in rules {
        let not_first = if rule.not_first { "not first" } else { "" };
        let pattern = file.alternatives(rule);
        for part in [&rule.id, &pattern, rule.replace.as_str(), not_first] {
            hasher.update(part.as_bytes()).update(&[0]);
        }
    }
    let hash = hasher.finalize().to_hex();
    hash.get(..12).unwrap_or_default().to_owned()
}

fn wrong(rule: &Rule, what: &str) -> Error {
    Error::new(ErrorKind::InvalidConfig, format!("rule {}: {what}", rule.id))
}

#[cfg(test)]
#[path = "cleaner_tests.rs"]
mod tests;
