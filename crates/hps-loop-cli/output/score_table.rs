//! Scores for people.

use std::io::{self, Write};

use super::{Align, ScoreRecord, Table};

/// `--format table`: scores times `factor`, with four decimals.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_table(out: &mut dyn Write, factor: f32, results: &[&ScoreRecord]) -> io::Result<()> {
    let prompts = results.windows(2).any(|pair| pair[0].prompt != pair[1].prompt);
    let mut header = vec![("score", Align::Right), ("image", Align::Left)];
    if prompts {
        header.push(("prompt", Align::Left));
    }
    let mut table = Table::new(&header);
    for record in results {
        let score = match record.score() {
            // In f64, so that the last decimal is not an artefact of the product.
            Some(score) => format!("{:.4}", f64::from(score) * f64::from(factor)),
            None => "-".to_owned(),
        };
        let image = match record.error() {
            Some(error) => format!("{}  error: {}", record.image, without(&record.image, error)),
            None => record.image.clone(),
        };
        table.row(
            [score, image, record.prompt.clone().unwrap_or_default()]
                .into_iter()
                .take(header.len()),
        );
    }
    table.write(out)
}

/// The message of an error without the file's name in front, which the table shows
/// already.
fn without<'a>(image: &str, message: &'a str) -> &'a str {
    message.strip_prefix(image).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(message)
}
