//! A compiler for wasm: rustup's, or Debian's packages beside rustup's cargo if rustup cannot add the target.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::TARGET;

/// The variable that names the folder into which `dpkg -x` unpacked Debian's `rustc-web` and its libraries.
const DEBIAN: &str = "GLM4V_RUSTC_WEB";

/// A compiler that was found.
pub(super) enum Toolchain {
    Rustup,
    Debian { unpacked: PathBuf, sysroot: PathBuf },
}

impl Toolchain {
    /// Finds a compiler. Asks rustup to add the target if it is missing.
    pub(super) fn find() -> Result<Self> {
        let sysroot = PathBuf::from(printed(Command::new("rustc").args(["--print", "sysroot"]))?);
        if sysroot.join("lib/rustlib").join(TARGET).is_dir() || added() {
            return Ok(Self::Rustup);
        }
        match std::env::var_os(DEBIAN) {
            Some(unpacked) => Ok(Self::Debian {
                unpacked: unpacked.into(),
                sysroot,
            }),
            None => bail!(
                "no compiler for {TARGET}: run `rustup target add {TARGET}`, or unpack Debian's packages and set {DEBIAN} \
                 to their directory (docs/web.md)"
            ),
        }
    }

    /// Makes `cargo` use this compiler.
    pub(super) fn apply(&self, cargo: &mut Command) -> Result<()> {
        let Self::Debian { unpacked, sysroot } = self else {
            return Ok(());
        };
        let host = printed(Command::new("rustc").args(["--print", "host-tuple"]))?;
        let linker = sysroot.join("lib/rustlib").join(&host).join("bin/rust-lld");
        let libraries = unpacked.join("usr/lib").join(multiarch(&host));
        cargo
            .arg("-Zbuild-std=std,panic_abort")
            .env("RUSTC", unpacked.join("usr/bin/rustc"))
            .env("RUSTC_BOOTSTRAP", "1")
            .env("LD_LIBRARY_PATH", libraries)
            .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        Ok(())
    }
}

fn added() -> bool {
    let mut rustup = Command::new("rustup");
    let status = rustup.args(["target", "add", TARGET]).status();
    status.is_ok_and(|status| status.success())
}

/// Debian's name for the host's library directory: x86_64-unknown-linux-gnu → x86_64-linux-gnu.
fn multiarch(host: &str) -> String {
    host.replace("-unknown-", "-")
}

fn printed(command: &mut Command) -> Result<String> {
    let output = command.output().context("rustc")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
