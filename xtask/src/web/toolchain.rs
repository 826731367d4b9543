//! A compiler for wasm: rustup's, or, where rustup cannot add the target, Debian's packages beside rustup's cargo.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::TARGET;

/// Where `dpkg -x` unpacked Debian's `rustc-web` and its libraries.
const DEBIAN: &str = "GLM4V_RUSTC_WEB";

/// A compiler that was found.
pub(super) enum Toolchain {
    Rustup,
    Debian { unpacked: PathBuf, sysroot: PathBuf },
}

impl Toolchain {
    /// Has rustup add the target, if it is not there.
    pub(super) fn find() -> Result<Self> {
        let sysroot = PathBuf::from(said(Command::new("rustc").args(["--print", "sysroot"]))?);
        if sysroot.join("lib/rustlib").join(TARGET).is_dir() || added() {
            return Ok(Self::Rustup);
        }
        match std::env::var_os(DEBIAN) {
            Some(unpacked) => Ok(Self::Debian {
                unpacked: unpacked.into(),
                sysroot,
            }),
            None => bail!(
                "no compiler for {TARGET}: `rustup target add {TARGET}` adds it; where rustup cannot, name in {DEBIAN} \
                 the directory into which Debian's packages were unpacked (docs/web.md)"
            ),
        }
    }

    /// Makes `cargo` compile with it.
    pub(super) fn apply(&self, cargo: &mut Command) -> Result<()> {
        let Self::Debian { unpacked, sysroot } = self else {
            return Ok(());
        };
        let host = said(Command::new("rustc").args(["--print", "host-tuple"]))?;
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

/// Debian's name of the host's directory of libraries: x86_64-unknown-linux-gnu → x86_64-linux-gnu.
fn multiarch(host: &str) -> String {
    host.replace("-unknown-", "-")
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().context("rustc")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
