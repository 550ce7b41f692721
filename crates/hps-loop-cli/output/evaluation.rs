//! What `eval` prints for people: shares in percent.

use std::io::{self, Write};

use hps_loop::eval::{Estimate, Evaluation, Measure, MeasureResult};

use super::{Align, Table};

/// The evaluation as tables.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_evaluation(out: &mut dyn Write, evaluation: &Evaluation) -> io::Result<()> {
    for measure in &evaluation.measures {
        write_measure(out, evaluation, measure)?;
    }
    if !evaluation.generator_pairs.is_empty() {
        write_generators(out, evaluation)?;
        write_generator_pairs(out, evaluation)?;
    }
    Ok(())
}

fn title(measure: Measure) -> &'static str {
    match measure {
        Measure::Inversion => "HPD accuracy: 1 - inverted pairs / pairs, mean over comparisons",
        Measure::StrictMacro => "ImageReward accuracy: strict pairs, mean over comparisons",
        Measure::StrictMicro => "ImageReward accuracy: strict pairs, all together",
    }
}

fn write_measure(
    out: &mut dyn Write,
    evaluation: &Evaluation,
    result: &MeasureResult,
) -> io::Result<()> {
    writeln!(out, "{}", title(result.measure))?;
    let mut about = format!("{} comparisons of {} prompts", result.comparisons, evaluation.prompts);
    if result.all_tied > 0 {
        about.push_str(&format!("; {} all tied are left out", result.all_tied));
    }
    writeln!(out, "{about}\n")?;
    let mut table = Table::new(&[
        ("reward", Align::Left),
        ("accuracy", Align::Right),
        ("95 % interval", Align::Right),
    ]);
    for (reward, estimate) in evaluation.rewards.iter().zip(&result.rewards) {
        table.row([reward.clone(), percent(estimate.value), interval(estimate)]);
    }
    if let Some(human) = &result.human {
        table.row(["one person".to_owned(), percent(human.value), interval(human)]);
    }
    table.write(out)?;
    writeln!(out)?;
    if result.differences.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        ("difference", Align::Left),
        ("points", Align::Right),
        ("95 % interval", Align::Right),
        ("p", Align::Right),
    ]);
    for row in &result.differences {
        table.row([
            format!("{} - {}", row.reward, row.minus),
            format!("{:+.2}", 100.0 * row.difference.value),
            interval(&row.difference),
            row.p_value.map_or_else(|| "-".to_owned(), |p| format!("{p:.3}")),
        ]);
    }
    table.write(out)?;
    writeln!(out)
}

fn write_generators(out: &mut dyn Write, evaluation: &Evaluation) -> io::Result<()> {
    writeln!(
        out,
        "Each generator against the others: how often its picture is preferred, accuracy"
    )?;
    writeln!(out, "on these pairs, and accuracy on everything without it\n")?;
    let mut header: Vec<(String, Align)> = ["generator", "images", "pairs", "people"]
        .map(|name| (name.to_owned(), Align::Right))
        .to_vec();
    header[0].1 = Align::Left;
    for reward in &evaluation.rewards {
        for column in ["", " accuracy", " without"] {
            header.push((format!("{reward}{column}"), Align::Right));
        }
    }
    let columns: Vec<(&str, Align)> =
        header.iter().map(|(name, align)| (name.as_str(), *align)).collect();
    let mut table = Table::new(&columns);
    for row in &evaluation.generators {
        let mut cells = vec![
            row.generator.clone(),
            row.images.to_string(),
            row.pairs.to_string(),
            optional(row.people_prefer),
        ];
        let rewards = row.reward_prefers.iter().zip(&row.accuracy).zip(&row.without);
        for ((prefers, accuracy), without) in rewards {
            cells.extend([*prefers, *accuracy, *without].map(optional));
        }
        table.row(cells);
    }
    table.write(out)?;
    writeln!(out)
}

fn write_generator_pairs(out: &mut dyn Write, evaluation: &Evaluation) -> io::Result<()> {
    writeln!(
        out,
        "Pairs of generators: how often the first one's picture is preferred, and accuracy\n"
    )?;
    let mut header: Vec<(String, Align)> =
        ["pair", "pairs", "people"].map(|name| (name.to_owned(), Align::Right)).to_vec();
    header[0].1 = Align::Left;
    for reward in &evaluation.rewards {
        for column in ["", " accuracy"] {
            header.push((format!("{reward}{column}"), Align::Right));
        }
    }
    let columns: Vec<(&str, Align)> =
        header.iter().map(|(name, align)| (name.as_str(), *align)).collect();
    let mut table = Table::new(&columns);
    for row in &evaluation.generator_pairs {
        let mut cells = vec![
            format!("{} / {}", row.a, row.b),
            row.pairs.to_string(),
            percent(row.people_prefer_a),
        ];
        for (prefers, accuracy) in row.reward_prefers_a.iter().zip(&row.accuracy) {
            cells.extend([percent(*prefers), optional(*accuracy)]);
        }
        table.row(cells);
    }
    table.write(out)
}

fn percent(share: f64) -> String {
    format!("{:.2}", 100.0 * share)
}

fn optional(share: Option<f64>) -> String {
    share.map_or_else(|| "-".to_owned(), percent)
}

fn interval(estimate: &Estimate) -> String {
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => format!("{} to {}", percent(low), percent(high)),
        _ => "-".to_owned(),
    }
}
