//! A compiler for wasm: rustup's, or, where rustup cannot add the target, Debian's packages beside rustup's cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::TARGET;

/// Where `dpkg -x` unpacked Debian's `rustc-web` and its libraries.
const DEBIAN: &str = "GLM4V_RUSTC_WEB";

/// Makes `cargo` compile for wasm.
pub(super) fn choose(cargo: &mut Command) -> Result<()> {
    let sysroot = PathBuf::from(said(Command::new("rustc").args(["--print", "sysroot"]))?);
    if sysroot.join("lib/rustlib").join(TARGET).is_dir() || added() {
        return Ok(());
    }
    let Some(unpacked) = std::env::var_os(DEBIAN) else {
        bail!(
            "no compiler for {TARGET}: `rustup target add {TARGET}` adds it; where rustup cannot, name in {DEBIAN} the \
             directory into which Debian's packages were unpacked (docs/web.md)"
        );
    };
    debian(cargo, Path::new(&unpacked), &sysroot)
}

fn added() -> bool {
    let mut rustup = Command::new("rustup");
    let status = rustup.args(["target", "add", TARGET]).status();
    status.is_ok_and(|status| status.success())
}

fn debian(cargo: &mut Command, unpacked: &Path, sysroot: &Path) -> Result<()> {
    let host = said(Command::new("rustc").args(["--print", "host-tuple"]))?;
    let linker = sysroot.join("lib/rustlib").join(&host).join("bin/rust-lld");
    cargo
        .arg("-Zbuild-std=std,panic_abort")
        .env("RUSTC", unpacked.join("usr/bin/rustc"))
        .env("RUSTC_BOOTSTRAP", "1")
        .env(
            "LD_LIBRARY_PATH",
            unpacked.join("usr/lib").join(multiarch(&host)),
        )
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    Ok(())
}

/// Debian's name of the host's directory of libraries: x86_64-unknown-linux-gnu → x86_64-linux-gnu.
fn multiarch(host: &str) -> String {
    host.replace("-unknown-", "-")
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().context("rustc")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
