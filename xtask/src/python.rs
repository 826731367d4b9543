use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::shell;

/// The variable that names a Python.
const VARIABLE: &str = "GLM4V_PYTHON";

/// A Python that has transformers. `GLM4V_PYTHON` names it; without the variable, the first call makes a virtual
/// environment.
pub(crate) fn interpreter() -> Result<PathBuf> {
    if let Some(python) = std::env::var_os(VARIABLE) {
        return Ok(python.into());
    }
    let venv = shell::target_dir()?.join("reference-venv");
    self::venv(&venv, &shell::root().join("tests/golden/requirements.txt"))
}

/// The Python of the virtual environment `venv`, which has the packages of the file `requirements`. It is made if need be.
pub(crate) fn venv(venv: &Path, requirements: &Path) -> Result<PathBuf> {
    let system = if cfg!(windows) { "python" } else { "python3" };
    let python = made(Path::new(system), venv)?;
    install(&python, venv, requirements)?;
    Ok(python)
}

/// The Python of the virtual environment `venv`. `base` makes it if need be.
pub(crate) fn made(base: &Path, venv: &Path) -> Result<PathBuf> {
    let python = venv.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    if !python.exists() {
        shell::run(Command::new(base).args(["-m", "venv"]).arg(venv))?;
    }
    Ok(python)
}

/// Installs the packages of the file `requirements` into `venv`, unless they are there.
pub(crate) fn install(python: &Path, venv: &Path, requirements: &Path) -> Result<()> {
    let required = std::fs::read_to_string(requirements)?;
    let installed = venv.join("installed.txt");
    if std::fs::read_to_string(&installed).is_ok_and(|installed| installed == required) {
        return Ok(());
    }
    let install = ["-m", "pip", "install", "--quiet", "--requirement"];
    shell::run(Command::new(python).args(install).arg(requirements))?;
    std::fs::write(installed, required)?;
    Ok(())
}

/// A virtual environment that sees the packages of the reference's Python, and has those of the file `requirements` itself.
pub(crate) fn beside_reference(venv: &Path, requirements: &Path) -> Result<PathBuf> {
    const SITE: &str = "import sysconfig; print(sysconfig.get_path('purelib'))";
    let reference = interpreter()?;
    let packages = shell::output(Command::new(&reference).args(["-c", SITE]))?;
    let python = made(&reference, venv)?;
    let own = shell::output(Command::new(&python).args(["-c", SITE]))?;
    std::fs::write(Path::new(own.trim()).join("reference.pth"), packages)?;
    install(&python, venv, requirements)?;
    Ok(python)
}

/// A Python that has the packages of `tests/peers`. The one that `GLM4V_PYTHON` names may lack some of them.
pub(crate) fn peers() -> Result<PathBuf> {
    if std::env::var_os(VARIABLE).is_some() {
        return interpreter();
    }
    let requirements = shell::root().join("tests/peers/requirements.txt");
    beside_reference(&shell::target_dir()?.join("peers-venv"), &requirements)
}

/// The command that runs the reference script. The caller adds the subcommand.
pub(crate) fn reference() -> Result<Command> {
    script("reference.py")
}

/// The command that runs a script of `tests/golden`. The caller adds the arguments.
pub(crate) fn script(name: &str) -> Result<Command> {
    let mut command = Command::new(interpreter()?);
    command.arg(shell::root().join("tests/golden").join(name));
    Ok(command)
}

/// Makes the goldens again.
pub(crate) fn golden() -> Result<()> {
    let golden = shell::root().join("tests/golden");
    shell::run(reference()?.arg("make").arg(golden))
}
