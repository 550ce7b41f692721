//! What `data check` prints for people.

use std::io::{self, Write};
use std::path::Path;

use hps_loop::data::{CheckReport, PictureCheck};

use super::table::one_line;
use super::{Align, Table};

/// Broken items and pictures that are shown one by one.
const SHOWN: usize = 10;

/// The report as text.
///
/// # Errors
///
/// When `out` cannot be written to.
pub fn write_check(out: &mut dyn Write, file: &Path, report: &CheckReport) -> io::Result<()> {
    let (items, usable) = (report.items, report.usable);
    let broken = 100.0 * report.broken_fraction;
    writeln!(out, "{}: {}", file.display(), report.format)?;
    writeln!(out, "{usable} of {items} items can be used, {broken:.2} % are broken\n")?;
    let mut table = Table::new(&[("", Align::Left), ("", Align::Right)]);
    for (name, value) in counts(report) {
        table.row([name, value]);
    }
    table.write_rows(out)?;
    if !report.images_per_generator.is_empty() {
        writeln!(out)?;
        let mut table = Table::new(&[("generator", Align::Left), ("images", Align::Right)]);
        for (generator, images) in &report.images_per_generator {
            table.row([generator.clone(), images.to_string()]);
        }
        if report.images_without_generator > 0 {
            table.row(["unknown".to_owned(), report.images_without_generator.to_string()]);
        }
        table.write(out)?;
    }
    write_problems(out, report)
}

fn counts(report: &CheckReport) -> Vec<(String, String)> {
    let missing = report.bad_images.iter().filter(|bad| bad.missing).count();
    let unreadable = match report.decode {
        PictureCheck::All => "images that cannot be decoded",
        PictureCheck::Headers => "files that are no images",
        PictureCheck::None => "images that are no files",
    };
    let comparisons = report.items - report.broken.len();
    let mut rows: Vec<(String, usize)> = vec![
        ("prompts".into(), report.prompts),
        ("images".into(), report.images),
        ("images that are missing".into(), missing),
        (unreadable.into(), report.bad_images.len() - missing),
        ("items that are broken".into(), report.broken.len()),
        ("items with a missing or broken image".into(), report.without_pictures),
    ];
    for (images, count) in &report.images_per_comparison {
        let plural = if *images == 1 { "" } else { "s" };
        rows.push((format!("comparisons of {images} image{plural}"), *count));
    }
    rows.extend([
        ("comparisons with ties".into(), report.with_ties),
        ("comparisons that are all tied".into(), report.all_tied),
        ("comparisons with ranks of single people".into(), report.annotated),
        ("ranks of single people".into(), report.annotations),
        ("duplicate ids".into(), report.duplicates.ids),
        ("comparisons made twice".into(), report.duplicates.comparisons),
        ("comparisons that have an image twice".into(), report.duplicates.images_within),
    ]);
    let mut rows: Vec<(String, String)> =
        rows.into_iter().map(|(name, count)| (name, count.to_string())).collect();
    let clear = comparisons - report.all_tied;
    for (place, count) in report.best_at.iter().enumerate() {
        let share = 100.0 * count / clear.max(1) as f64;
        rows.push((format!("best image is number {}", place + 1), format!("{share:.1} %")));
    }
    rows
}

fn write_problems(out: &mut dyn Write, report: &CheckReport) -> io::Result<()> {
    let items = report.broken.iter().map(|broken| {
        let id = broken.id.as_ref().map_or(String::new(), |id| format!(" ({id})"));
        format!("item {}{id}: {}", broken.index, broken.reason)
    });
    let images = report.bad_images.iter().map(|bad| format!("image {}", bad.message));
    for lines in [items.collect::<Vec<_>>(), images.collect()] {
        if !lines.is_empty() {
            writeln!(out)?;
        }
        for line in lines.iter().take(SHOWN) {
            writeln!(out, "{}", one_line(line))?;
        }
        if lines.len() > SHOWN {
            writeln!(out, "and {} more; `--format json` has them all", lines.len() - SHOWN)?;
        }
    }
    Ok(())
}
