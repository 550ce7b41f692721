//! What goes to standard output.

mod ranking;
mod score_json;
mod score_table;
mod table;

pub use ranking::{write_ranking, write_ranking_json};
pub use score_json::{RewardRecord, ScoreRecord, Values, write_csv, write_json, write_jsonl_line};
pub use score_table::write_table;
pub use table::{Align, Table};
