//! Chores of the glm4v workspace: `cargo xtask VERB`.

mod amx;
mod arm;
mod bench;
mod chart;
mod ci;
mod collection;
mod cross;
mod deps;
mod differential;
mod faults;
mod full;
mod fuzz;
mod gpu_report;
mod llama;
mod media;
mod memory;
mod neighbours;
mod notices;
mod parity;
mod process;
mod python;
mod release;
mod sanitize;
mod shell;
mod soak;
mod soak_job;
mod targets;
mod unsafe_blocks;
mod web;
mod wheel;

use anyhow::Result;
use clap::Parser;

/// Chores of the glm4v workspace
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Verb {
    /// Compare the encoder with transformers, stage by stage
    TestParity(parity::Args),
    /// Compare random towers, images and videos with transformers
    Differential(differential::Args),
    /// Compare mutated images, generated videos or given files with Pillow and torchcodec
    DifferentialMedia(media::Args),
    /// Time the full-size encoder beside transformers
    Bench(bench::Args),
    /// Compare the nearest neighbours of photos and tokens in bf16 and int8 with those in f32
    Neighbours(neighbours::Args),
    /// Measure all that needs a GPU, and write docs/performance-gpu.md
    GpuReport(gpu_report::Args),
    /// Draw docs/images/speed.svg from docs/data/peers.json
    Chart,
    /// Compare the memory that `glm4v plan` predicts with the memory that `glm4v encode` uses
    Memory(memory::Args),
    /// Run a job and the Python iterator for half an hour each, and check that memory, open files and threads do not grow
    Soak(soak::Args),
    /// Run one job of many generated images, and check its memory, its results and its time
    SoakJob(soak_job::Args),
    /// Make the goldens again with transformers, in a virtual environment
    Golden,
    /// Build the browser package and the demo page
    Web(web::Args),
    /// Test the browser package and the demo page in headless Chromium
    TestWeb(web::test::Args),
    /// Build the Python package and run its tests
    TestPython(wheel::Args),
    /// Test the AMX kernels on an emulator
    TestAmx(amx::Args),
    /// Run the fuzz targets of fuzz/ one after another
    Fuzz(fuzz::Args),
    /// Make each call of the operating system fail in turn while files are written, fetched and cached
    Faults(faults::Args),
    /// Test the CPU kernels with AddressSanitizer and ThreadSanitizer
    Sanitize(sanitize::Args),
    /// Test the CPU kernels on emulated ARM64 processors
    TestArm(arm::Args),
    /// Type-check the crates without C code for Windows and macOS
    TestTargets(targets::Args),
    /// Compare GGUF files with llama.cpp, given its sources
    TestLlama(llama::Args),
    /// List the `unsafe` blocks in docs/reliability.md
    UnsafeBlocks,
    /// Check which package depends on which, and that no package has a circle of imports
    Deps,
    /// Run the checks that must pass before a change lands: format, lints, documentation, parity, GPU tests
    Ci(ci::Args),
}

fn main() -> Result<()> {
    match Verb::parse() {
        Verb::TestParity(args) if args.full => full::run(&args),
        Verb::TestParity(args) => parity::run(&args),
        Verb::Differential(args) => differential::run(&args),
        Verb::DifferentialMedia(args) => media::run(&args),
        Verb::Bench(args) => bench::run(&args),
        Verb::Neighbours(args) => neighbours::run(&args),
        Verb::GpuReport(args) => gpu_report::run(&args),
        Verb::Chart => chart::draw(),
        Verb::Memory(args) => memory::run(&args),
        Verb::Soak(args) => soak::run(&args),
        Verb::SoakJob(args) => soak_job::run(&args),
        Verb::Golden => python::golden(),
        Verb::Web(args) => web::run(&args),
        Verb::TestWeb(args) => web::test::run(&args),
        Verb::TestPython(args) => wheel::run(&args),
        Verb::TestAmx(args) => amx::run(&args),
        Verb::Fuzz(args) => fuzz::run(&args),
        Verb::Faults(args) => faults::run(&args),
        Verb::Sanitize(args) => sanitize::run(&args),
        Verb::TestArm(args) => arm::run(&args),
        Verb::TestTargets(args) => targets::run(&args),
        Verb::TestLlama(args) => llama::run(&args),
        Verb::UnsafeBlocks => unsafe_blocks::write(),
        Verb::Deps => deps::check(),
        Verb::Ci(args) => ci::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_of_every_verb_are_consistent() {
        Verb::command().debug_assert();
    }
}
