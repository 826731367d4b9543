use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use clap::ValueEnum;

use crate::shell;

/// Arguments of `sanitize`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The sanitizers to run
    #[arg(long, value_enum, value_delimiter = ',', default_values = ["address", "thread"])]
    sanitizer: Vec<Sanitizer>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sanitizer {
    /// Accesses outside of memory that is in use
    Address,
    /// Data races
    Thread,
}

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// Runs the tests of the kernels, which have nearly all unsafe code, with sanitizers.
pub(crate) fn run(args: &Args) -> Result<()> {
    if args.sanitizer.contains(&Sanitizer::Thread) {
        check_library_source()?;
    }
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

/// Fails early if the standard library cannot be compiled.
fn check_library_source() -> Result<()> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = shell::output(Command::new(rustc).args(["--print", "sysroot"]))?;
    let source = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.lock");
    ensure!(
        source.exists(),
        "{} is missing: the thread sanitizer compiles the standard library; add its source with `rustup component add rust-src`, \
         or leave the thread sanitizer out with `--sanitizer address`",
        source.display()
    );
    Ok(())
}
