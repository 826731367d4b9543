use anyhow::Result;
use clap::ValueEnum;

use crate::shell;

/// Arguments of `sanitize`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The sanitizers to run
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["address", "thread"])]
    sanitizer: Vec<Sanitizer>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sanitizer {
    /// Accesses outside of memory that is in use
    Address,
    /// Data races
    Thread,
}

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Runs the tests of the kernels, which have nearly all unsafe code, with sanitizers.
pub(crate) fn run(args: &Args) -> Result<()> {
    for &sanitizer in &args.sanitizer {
        let (name, flags): (_, &[&str]) = match sanitizer {
            Sanitizer::Address => ("address", &[]),
            // The locks of the standard library would look like races if it was not compiled in the same way.
            Sanitizer::Thread => ("thread", &["-Zbuild-std", "-Zbuild-std-features="]),
        };
        let mut cargo = shell::cargo(["test", "--package=glm4v-kernels", "--lib"]);
        cargo.arg(format!("--target={TRIPLE}")).args(flags);
        // The flag is unstable. The compiler is the stable one.
        cargo.env("RUSTC_BOOTSTRAP", "1");
        cargo.env("RUSTFLAGS", format!("-Zsanitizer={name}"));
        let dir = shell::target_dir()?.join("sanitize").join(name);
        shell::run(cargo.env("CARGO_TARGET_DIR", dir))?;
    }
    Ok(())
}
