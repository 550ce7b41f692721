//! How weights were made, for people.

use std::fmt::Write;

use super::session::Run;
use crate::checkpoint::Progress;
use crate::log::Evaluation;

/// `MODEL_CARD.md` of a run.
pub(super) fn card(run: &Run, progress: &Progress, last: Option<&Evaluation>) -> String {
    let config = run.model.config();
    let (v, t) = (&config.vision, &config.text);
    let mut text = String::from("# A preference model\n\n");
    // Writing into a string cannot fail.
    let mut line = |what: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{what}");
    };
    line(format_args!(
        "CLIP, trained on people's choices between pictures of the same prompt, with the \
         loss of HPS v2 (arXiv 2306.09341). The score of a picture is the cosine of its \
         feature and its prompt's.\n"
    ));
    line(format_args!("| | |\n|---|---|"));
    line(format_args!(
        "| architecture | {}x{} pixels in patches of {}, {} layers of {}; text {} layers of {}; \
         {} features |",
        v.image_size,
        v.image_size,
        v.patch_size,
        v.layers,
        v.width,
        t.layers,
        t.width,
        config.embed_dim
    ));
    for (name, value) in &run.provenance {
        line(format_args!("| {name} | {value} |"));
    }
    let steps = run.options.schedule.steps;
    line(format_args!(
        "| steps | {} of {steps}, {} comparisons each |",
        progress.step, run.options.batch_size
    ));
    let skipped = run.train.data.broken.len() + progress.skipped.len();
    line(format_args!("| comparisons skipped | {skipped} |"));
    if let Some(best) = progress.best {
        let accuracy = 100.0 * best.accuracy;
        line(format_args!(
            "| best.safetensors | {accuracy:.2} % of validation pairs, at step {} |",
            best.step
        ));
    }
    if let Some(last) = last {
        let accuracy = 100.0 * last.accuracy;
        line(format_args!(
            "| last.safetensors | {accuracy:.2} % of {} validation pairs |",
            last.pairs
        ));
    }
    line(format_args!("\nThe settings:\n\n```toml\n{}\n```", run.settings_text.trim_end()));
    line(format_args!(
        "\nScores of different models are never comparable, nor are scores of different \
         prompts. The model has seen the pictures of its training data only: what it says about \
         others is a guess."
    ));
    text
}
