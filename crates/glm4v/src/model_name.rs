use std::io::ErrorKind;
use std::path::Path;

use glm4v_weights::WeightsError;

use crate::Error;

/// Whether the name of a model is the path of a directory or a file on this machine. Other names are those of models on the hub.
///
/// ```
/// use glm4v::weights::is_local;
///
/// assert!(is_local(".")?);
/// assert!(is_local("no-such-directory").is_err());
/// # Ok::<(), glm4v::Error>(())
/// ```
///
/// # Errors
/// [`Error::NoSuchModel`] for a name that is neither; [`Error::Weights`] if the system does not tell whether the path exists,
/// for example because a directory cannot be entered.
pub fn is_local(name: impl AsRef<Path>) -> Result<bool, Error> {
    let path = name.as_ref();
    match path.try_exists() {
        Ok(true) => return Ok(true),
        Ok(false) => {}
        // A file has the name of the owner.
        Err(error) if error.kind() == ErrorKind::NotADirectory => {}
        Err(source) => {
            let path = path.to_owned();
            return Err(WeightsError::Io { path, source }.into());
        }
    }
    check_hub_name(path)?;
    Ok(false)
}

/// Checks that the hub can have a model of this name.
#[cfg(feature = "hub")]
fn check_hub_name(path: &Path) -> Result<(), Error> {
    let name = path.to_string_lossy().into_owned();
    match name.parse::<glm4v_hub::ModelId>() {
        Ok(_) => Ok(()),
        Err(_) => {
            let hint = "a model on the hub is named as in zai-org/GLM-4.1V-9B-Thinking";
            Err(Error::NoSuchModel { name, hint })
        }
    }
}

#[cfg(not(feature = "hub"))]
fn check_hub_name(path: &Path) -> Result<(), Error> {
    Err(Error::NoSuchModel {
        name: path.to_string_lossy().into_owned(),
        hint: "to load models by name, build with --features hub",
    })
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_cannot_be_looked_up_is_no_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("loop");
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let message = is_local(&path).unwrap_err().to_string();
        assert!(!message.contains("no such"), "{message}");
        assert!(
            message.starts_with(&path.display().to_string()),
            "{message}"
        );
    }

    #[test]
    fn nothing_is_below_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = is_local(file.path().join("model")).unwrap_err();
        assert!(matches!(error, Error::NoSuchModel { .. }), "{error}");
    }
}
