use std::ffi::OsString;
use std::path::PathBuf;

/// The directory of the user's cache: `packed` in `GLM4V_CACHE`, or in `glm4v` of the platform's directory for caches. Nothing
/// if it is not known, or is relative.
pub(super) fn dir(lookup: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| {
        let value = lookup(name).filter(|value| !value.is_empty())?;
        Some(PathBuf::from(value))
    };
    let platform = || {
        let caches = if cfg!(windows) {
            path("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            path("HOME").map(|home| home.join("Library/Caches"))
        } else {
            path("HOME").map(|home| home.join(".cache"))
        };
        Some(path("XDG_CACHE_HOME").or(caches)?.join("glm4v"))
    };
    let dir = path("GLM4V_CACHE").or_else(platform)?.join("packed");
    dir.is_absolute().then_some(dir)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<PathBuf> {
        dir(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_directory_is_that_of_the_environment() {
        let (home, xdg, own) = (
            ("HOME", "/home/a"),
            ("XDG_CACHE_HOME", "/b"),
            ("GLM4V_CACHE", "/c"),
        );
        let of_home = match cfg!(target_os = "macos") {
            true => "/home/a/Library/Caches/glm4v/packed",
            false => "/home/a/.cache/glm4v/packed",
        };
        assert_eq!(found(&[home]), Some(of_home.into()));
        assert_eq!(found(&[home, xdg]), Some("/b/glm4v/packed".into()));
        assert_eq!(found(&[home, xdg, own]), Some("/c/packed".into()));
        assert_eq!(found(&[home, ("XDG_CACHE_HOME", "")]), Some(of_home.into()));
        assert_eq!(found(&[("GLM4V_CACHE", "~/c")]), None);
        assert_eq!(found(&[]), None);
    }
}
