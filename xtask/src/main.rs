//! House chores of glm4v: `cargo xtask VERB`.

mod bench;
mod ci;
mod deps;
mod full;
mod parity;
mod python;
mod shell;
mod web;

use anyhow::Result;
use clap::Parser;

/// House chores of glm4v
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Verb {
    /// Compare the encoder with transformers, stage by stage
    TestParity(parity::Args),
    /// Time the full-size encoder beside transformers
    Bench(bench::Args),
    /// Make the goldens anew with transformers, in a venv of their own
    Golden,
    /// Build the browser package and the demo page
    Web(web::Args),
    /// Try the browser package and the demo page in headless Chromium
    TestWeb(web::test::Args),
    /// Check which crate depends on which
    Deps,
    /// All that must pass before a change lands but the tests: format, lints, documentation, parity
    Ci,
}

fn main() -> Result<()> {
    match Verb::parse() {
        Verb::TestParity(args) => parity::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Golden => python::golden(),
        Verb::Web(args) => web::run(&args),
        Verb::TestWeb(args) => web::test::run(&args),
        Verb::Deps => deps::check(),
        Verb::Ci => ci::run(),
    }
}
