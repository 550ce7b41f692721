//! The ranked candidates of `generate`.

use std::io::{self, Write};

use hps_loop::generate::{Failed, GenerateOutcome, Ranked, RunManifest};
use hps_loop::{Candidate, Warning};
use serde::Serialize;

use super::table::one_line;
use super::{Align, Table};

/// For people: scores times `factor`, best first.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_ranking(
    out: &mut dyn Write,
    outcome: &GenerateOutcome,
    factor: f32,
) -> io::Result<()> {
    let several = outcome.prompts.len() > 1;
    for prompt in &outcome.prompts {
        if several {
            writeln!(out, "{}", one_line(prompt.prompt.as_str()))?;
        }
        let mut table = Table::new(&[
            ("rank", Align::Right),
            ("score", Align::Right),
            ("candidate", Align::Right),
            ("image", Align::Left),
        ]);
        for ranked in &prompt.result.ranked {
            let score = f64::from(ranked.candidate.score.value()) * f64::from(factor);
            let image = ranked.image.as_ref().map(|path| path.display().to_string());
            table.row([
                ranked.rank.to_string(),
                format!("{score:.4}"),
                ranked.candidate.spec.candidate.to_string(),
                image.unwrap_or_else(|| "not kept".to_owned()),
            ]);
        }
        table.write(out)?;
        if several {
            writeln!(out)?;
        }
    }
    Ok(())
}

#[derive(Serialize)]
struct Document<'a> {
    model: &'a hps_loop::GeneratorInfo,
    reward: &'a serde_json::Value,
    prompts: Vec<PromptRecord<'a>>,
}

#[derive(Serialize)]
struct PromptRecord<'a> {
    prompt: &'a str,
    out: String,
    candidates: Vec<CandidateRecord<'a>>,
    failed: &'a [Failed],
}

#[derive(Serialize)]
struct CandidateRecord<'a> {
    rank: usize,
    image: Option<String>,
    #[serde(flatten)]
    candidate: &'a Candidate,
    warnings: &'a [Warning],
}

impl<'a> CandidateRecord<'a> {
    fn new(ranked: &'a Ranked) -> Self {
        CandidateRecord {
            rank: ranked.rank,
            image: ranked.image.as_ref().map(|path| path.display().to_string()),
            candidate: &ranked.candidate,
            warnings: &ranked.warnings,
        }
    }
}

/// One object: model, reward, and the ranked candidates of every prompt with raw
/// scores.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_ranking_json(out: &mut dyn Write, outcome: &GenerateOutcome) -> anyhow::Result<()> {
    let RunManifest { model, reward, .. } = &outcome.manifest;
    let prompts = outcome.prompts.iter().map(|prompt| PromptRecord {
        prompt: prompt.prompt.as_str(),
        out: prompt.dir.display().to_string(),
        candidates: prompt.result.ranked.iter().map(CandidateRecord::new).collect(),
        failed: &prompt.result.failed,
    });
    let document = Document { model, reward, prompts: prompts.collect() };
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)?;
    Ok(())
}
