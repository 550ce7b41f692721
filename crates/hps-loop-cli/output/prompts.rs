//! Words of prompts, and the rules that take them out.

use std::io::{self, Write};

use hps_loop::prompts::{CleanedWord, Rule, StyleReport};

use super::{Align, Table};

/// `prompts stats` for people.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_style_words(out: &mut dyn Write, report: &StyleReport) -> io::Result<()> {
    writeln!(
        out,
        "{} prompts with {} words, against {} plain captions with {} words",
        report.prompts, report.words, report.plain_prompts, report.plain_words
    )?;
    writeln!(out)?;
    let mut table = Table::new(&[
        ("z", Align::Right),
        ("log-odds", Align::Right),
        ("count", Align::Right),
        ("prompts", Align::Right),
        ("plain", Align::Right),
        ("n-gram", Align::Left),
    ]);
    for word in &report.ngrams {
        table.row([
            signed(word.log_odds.z, 1),
            signed(word.log_odds.log_odds, 2),
            word.count.to_string(),
            percent(word.share),
            percent(word.plain_share),
            word.ngram.clone(),
        ]);
    }
    table.write(out)
}

/// A number that is not shown as minus zero.
fn signed(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    let is_zero = text.trim_matches(['-', '0', '.']).is_empty();
    if is_zero { text.trim_start_matches('-').to_owned() } else { text }
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// `prompts stats` as comma-separated values.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_style_words_csv(out: &mut dyn Write, report: &StyleReport) -> csv::Result<()> {
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record([
        "ngram",
        "n",
        "count",
        "share",
        "plain_count",
        "plain_share",
        "log_odds",
        "z",
    ])?;
    for word in &report.ngrams {
        writer.write_record([
            word.ngram.clone(),
            word.n.to_string(),
            word.count.to_string(),
            word.share.to_string(),
            word.plain_count.to_string(),
            word.plain_share.to_string(),
            word.log_odds.log_odds.to_string(),
            word.log_odds.z.to_string(),
        ])?;
    }
    writer.flush()?;
    Ok(())
}

/// Style words before and after cleaning, for people.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_cleaned_words(out: &mut dyn Write, words: &[CleanedWord]) -> io::Result<()> {
    let mut table = Table::new(&[
        ("before", Align::Right),
        ("after", Align::Right),
        ("z", Align::Right),
        ("prompts with", Align::Left),
    ]);
    for word in words {
        table.row([
            word.before.to_string(),
            word.after.to_string(),
            signed(word.z, 1),
            word.ngram.clone(),
        ]);
    }
    table.write(out)
}

/// `prompts clean --list-rules` for people.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_rules(out: &mut dyn Write, rules: &[Rule]) -> io::Result<()> {
    let mut category = "";
    for rule in rules {
        if rule.category != category {
            category = &rule.category;
            writeln!(out, "{category}")?;
        }
        writeln!(out, "  {}: {}", rule.id, rule.about)?;
        writeln!(out, "      {}", rule.before)?;
        writeln!(out, "   -> {}", rule.after)?;
    }
    Ok(())
}
