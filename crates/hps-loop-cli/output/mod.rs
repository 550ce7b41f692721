//! What goes to standard output.

mod check;
mod evaluation;
mod evaluation_data;
mod prompts;
mod ranking;
mod score_json;
mod score_table;
mod table;

pub use check::write_check;
pub use evaluation::write_evaluation;
pub use evaluation_data::{EvalRecord, write_evaluation_csv};
pub use prompts::{write_cleaned_words, write_rules, write_style_words, write_style_words_csv};
pub use ranking::{write_ranking, write_ranking_json};
pub use score_json::{RewardRecord, ScoreRecord, Values, write_csv, write_json, write_jsonl_line};
pub use score_table::write_table;
pub use table::{Align, Table};
