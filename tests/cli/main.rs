//! The program as its users run it: arguments in, output, exit status and files out.
//!
//! A new test belongs to the file whose line says what it is about. Tables, help
//! and error texts are compared with `snapshots/`; after a wanted change run
//! `INSTA_UPDATE=always cargo test --test cli` and read the difference.

#![allow(clippy::unwrap_used, clippy::print_stderr)]

// What all tests stand on.
mod files; // pictures and headers that tests make themselves
mod harness; // a folder of its own for each test, and the program in it
mod run_folder; // what a run has written, to be compared

// `hps-loop score`.
mod score_combined; // several rewards as one
mod score_formats; // table, json, jsonl, csv
mod score_inputs; // files, globs, folders, standard input, pairs
mod score_options; // everything else that changes what is printed
mod unreadable_pictures; // one bad picture never ends a batch

// `hps-loop generate`.
mod generate; // what a run writes and prints
mod generate_models; // models other than the bundled one
mod resume; // going on with a run
mod same_bytes; // what must not change a picture

// Preference data.
mod data_check; // `data check`
mod eval; // `eval`
mod train; // `train`

// Prompts.
#[path = "../../crates/hps-train/tests/chat_server/mod.rs"]
mod chat_server; // a chat endpoint on loopback
mod prompts; // `prompts stats`, `prompts clean` by rules
mod prompts_endpoint; // `prompts clean` by a chat model

// The other commands.
mod bench;
mod config; // `config show` and its layers
mod doctor; // `doctor`
mod help; // help, version, completions
mod models; // `models list|pull|verify`

// Concerns of every command.
mod interrupt; // Ctrl-C, kill, closed pipes
mod memory; // bounds on memory
mod wrong_settings; // flags and settings that cannot work: exit 2 and a hint
mod wrong_weights; // weights that do not fit, are damaged, or hold code
