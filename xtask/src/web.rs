use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::shell;

mod bindgen;
pub(crate) mod test;
mod toolchain;

use toolchain::Toolchain;

const TARGET: &str = "wasm32-unknown-unknown";
/// The features of WebAssembly that the module may use. `wasm-opt --all-features` would use more than browsers have.
const WASM_FEATURES: [&str; 7] = [
    "bulk-memory",
    "multivalue",
    "mutable-globals",
    "nontrapping-float-to-int",
    "reference-types",
    "sign-ext",
    "simd",
];

/// Files of `web/` that build or test the page. They are not part of the site.
const NOT_SERVED: [&str; 5] = [
    ".gitignore",
    "node_modules",
    "package-lock.json",
    "package.json",
    "tests",
];

/// Arguments of `web`.
#[derive(clap::Args)]
#[group(skip)] // `test-web` has these arguments too, and clap refuses a second group of the same name.
pub(crate) struct Args {
    /// Leave out wasm-opt. The build is quicker, and the module a sixth larger
    #[arg(long)]
    quick: bool,
}

/// Builds the npm package, `target/browser/pkg`, and the demo page with the package in it, `target/browser/site`.
pub(crate) fn run(args: &Args) -> Result<()> {
    if !cfg!(feature = "web") {
        // Only this verb needs wasm-bindgen's tools, so they are a feature. Run xtask again with it.
        let mut again = shell::cargo(["run", "--quiet", "--package=xtask", "--features=web", "--"]);
        again.arg("web").args(args.quick.then_some("--quick"));
        return shell::run(&mut again);
    }
    let module = compile()?;
    // Not `target/web`: cargo uses that folder for the profile `web`.
    let dir = shell::target_dir()?.join("browser");
    let package = dir.join("pkg");
    if dir.exists() {
        fs::remove_dir_all(&dir).with_context(|| dir.display().to_string())?;
    }
    copy(&shell::root().join("crates/glm4v-web/js"), &package, &[])?;
    fs::copy(shell::root().join("LICENSE"), package.join("LICENSE")).context("LICENSE")?;
    bindgen::run(&module, &package)?;
    let wasm = package.join("glm4v_web_bg.wasm");
    check_constructors(&wasm)?;
    if !args.quick {
        optimise(&wasm)?;
    }
    let site = dir.join("site");
    copy(&web(), &site, &NOT_SERVED)?;
    copy(&package, &site.join("pkg"), &[])?;
    println!("{}: {}", wasm.display(), sizes(&wasm)?);
    println!("package: {} (pack it with `npm pack`)", package.display());
    println!("page: {} (serve it with any file server)", site.display());
    Ok(())
}

fn compile() -> Result<PathBuf> {
    let mut cargo = shell::cargo(["build", "--package=glm4v-web", "--profile=web"]);
    cargo.args(["--target", TARGET]);
    Toolchain::find()?.apply(&mut cargo)?;
    shell::run(&mut cargo)?;
    let dir = shell::target_dir()?.join(TARGET).join("web");
    Ok(dir.join("glm4v_web.wasm"))
}

/// Refuses a module whose exports run constructors of static values. They would cost ten milliseconds a call. The linker
/// adds them unless the program calls the constructors itself.
fn check_constructors(wasm: &Path) -> Result<()> {
    let module = fs::read(wasm).with_context(|| wasm.display().to_string())?;
    let mark = b".command_export";
    let wrapped = module.windows(mark.len()).any(|bytes| bytes == mark);
    ensure!(
        !wrapped,
        "{}: every call of an export runs constructors; see crates/glm4v-web/src/start.rs",
        wasm.display()
    );
    Ok(())
}

fn optimise(wasm: &Path) -> Result<()> {
    node_modules()?;
    let mut command = Command::new(web().join("node_modules/.bin/wasm-opt"));
    command.arg("-Oz").arg(wasm).arg("-o").arg(wasm);
    command.args(WASM_FEATURES.map(|feature| format!("--enable-{feature}")));
    shell::run(&mut command)
}

/// Installs the packages of `web/package.json`: wasm-opt and playwright-core.
fn node_modules() -> Result<()> {
    if web().join("node_modules/.package-lock.json").exists() {
        return Ok(());
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund"])
        .current_dir(web());
    shell::run(&mut npm).context("npm installs wasm-opt; `--quick` builds without it")
}

fn sizes(wasm: &Path) -> Result<String> {
    let script = "const { brotliCompressSync, constants } = require('node:zlib');
        const bytes = require('node:fs').readFileSync(process.argv[1]);
        const options = { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } };
        const mib = (length) => (length / 2 ** 20).toFixed(2) + ' MiB';
        console.log(mib(bytes.length) + ', by brotli ' + mib(brotliCompressSync(bytes, options).length));";
    let mut node = Command::new("node");
    node.args(["--eval", script]).arg(wasm);
    let output = node.output().context("node")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn web() -> PathBuf {
    shell::root().join("web")
}

/// Copies a folder without the names in `skip`.
fn copy(from: &Path, to: &Path, skip: &[&str]) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name();
        let to = to.join(&name);
        if skip.iter().any(|skipped| name == *skipped) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to, skip)?;
        } else {
            fs::copy(entry.path(), &to).with_context(|| to.display().to_string())?;
        }
    }
    Ok(())
}
