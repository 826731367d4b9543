use std::ffi::OsString;
use std::path::{MAIN_SEPARATOR, PathBuf};

/// Environment variables, and the paths that they name. An empty variable counts as not set.
///
/// ```
/// use glm4v_config::Environment;
///
/// let environment = Environment::new(|name| (name == "GLM4V_CACHE").then(|| "/cache".into()));
/// assert_eq!(environment.user_cache(), Some("/cache".into()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Environment<F> {
    lookup: F,
}

impl Environment<fn(&str) -> Option<OsString>> {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var_os(name))
    }
}

impl<F: Fn(&str) -> Option<OsString>> Environment<F> {
    /// Variables whose values `lookup` returns.
    pub const fn new(lookup: F) -> Self {
        Self { lookup }
    }

    /// The first variable of `names` that is set and not empty.
    pub fn text(&self, names: &[&str]) -> Option<String> {
        Some(self.set(names)?.to_string_lossy().into_owned())
    }

    /// [`Environment::text`] as a path, in which `~`, `$NAME` and `${NAME}` are replaced.
    pub fn path(&self, names: &[&str]) -> Option<PathBuf> {
        let path = match self.set(names)?.into_string() {
            Ok(text) => self.expand(text).into(),
            Err(path) => path.into(),
        };
        Some(path)
    }

    /// The user's home directory.
    pub fn home(&self) -> Option<PathBuf> {
        let name = if cfg!(windows) { "USERPROFILE" } else { "HOME" };
        self.set(&[name]).map(PathBuf::from)
    }

    /// The directory of this project's caches: `GLM4V_CACHE`, or else `glm4v` in the platform's directory for caches, which is
    /// `XDG_CACHE_HOME` or `~/.cache` on Linux. `None` without a home directory.
    pub fn user_cache(&self) -> Option<PathBuf> {
        if let Some(cache) = self.path(&["GLM4V_CACHE"]) {
            return Some(cache);
        }
        let parent = match self.path(&["XDG_CACHE_HOME"]) {
            Some(parent) => parent,
            None if cfg!(target_os = "macos") => self.home()?.join("Library").join("Caches"),
            None if cfg!(windows) => match self.path(&["LOCALAPPDATA"]) {
                Some(parent) => parent,
                None => self.home()?.join("AppData").join("Local"),
            },
            None => self.home()?.join(".cache"),
        };
        Some(parent.join("glm4v"))
    }

    fn set(&self, names: &[&str]) -> Option<OsString> {
        let mut set = names.iter().filter_map(|name| (self.lookup)(name));
        set.find(|value| !value.is_empty())
    }

    /// Variables that are not set stay as they are.
    fn expand(&self, mut text: String) -> String {
        if let (Some(rest), Some(home)) = (text.strip_prefix('~'), self.home())
            && (rest.is_empty() || rest.starts_with(['/', MAIN_SEPARATOR]))
        {
            text = format!("{}{rest}", home.display());
        }
        let mut parts = text.split('$');
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            expanded += &self.variable(part).unwrap_or_else(|| format!("${part}"));
        }
        expanded
    }

    /// The value of the variable at the beginning of `text`, and the rest of `text`.
    fn variable(&self, text: &str) -> Option<String> {
        let (name, rest) = match text.strip_prefix('{') {
            Some(braced) => braced.split_once('}')?,
            None => {
                let inside = |c: char| c.is_ascii_alphanumeric() || c == '_';
                text.split_at(text.find(|c| !inside(c)).unwrap_or(text.len()))
            }
        };
        let value = (self.lookup)(name)?;
        Some(format!("{}{rest}", value.to_string_lossy()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const HOME: (&str, &str) = if cfg!(windows) {
        ("USERPROFILE", "/home/me")
    } else {
        ("HOME", "/home/me")
    };

    fn environment(
        variables: &[(&'static str, &'static str)],
    ) -> Environment<impl Fn(&str) -> Option<OsString> + use<>> {
        let variables = variables.to_vec();
        Environment::new(move |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| value.into())
        })
    }

    #[test]
    fn the_first_variable_that_is_set_counts() {
        let environment = environment(&[("A", ""), ("B", "b"), ("C", "c")]);
        assert_eq!(environment.text(&["A", "B", "C"]).as_deref(), Some("b"));
        assert_eq!(environment.text(&["A", "D"]), None);
    }

    #[test]
    fn paths_are_expanded() {
        for (value, path) in [
            ("~/hub", "/home/me/hub"),
            ("~", "/home/me"),
            ("~other/hub", "~other/hub"),
            ("$DISK/hub", "/disk/hub"),
            ("/a/${DISK}/hub", "/a//disk/hub"),
            ("/a/$UNSET/${UNSET}/$", "/a/$UNSET/${UNSET}/$"),
        ] {
            let environment = environment(&[HOME, ("DISK", "/disk"), ("HUB", value)]);
            assert_eq!(environment.path(&["HUB"]).unwrap(), Path::new(path));
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_unicode_stays_as_it_is() {
        use std::os::unix::ffi::OsStringExt;

        let bytes = || OsString::from_vec(b"/caf\xe9".to_vec());
        let environment = Environment::new(|_| Some(bytes()));
        assert_eq!(environment.path(&["GLM4V_CACHE"]), Some(bytes().into()));
    }

    #[cfg(unix)]
    #[test]
    fn the_cache_of_the_user_is_that_of_the_environment() {
        let cache = |variables: &[_]| environment(variables).user_cache();
        let of_home = match cfg!(target_os = "macos") {
            true => "/home/me/Library/Caches/glm4v",
            false => "/home/me/.cache/glm4v",
        };
        let (xdg, own) = (("XDG_CACHE_HOME", "/xdg"), ("GLM4V_CACHE", "/own"));
        assert_eq!(cache(&[HOME]), Some(of_home.into()));
        assert_eq!(cache(&[HOME, ("XDG_CACHE_HOME", "")]), Some(of_home.into()));
        assert_eq!(cache(&[HOME, xdg]), Some("/xdg/glm4v".into()));
        assert_eq!(cache(&[HOME, xdg, own]), Some("/own".into()));
        assert_eq!(
            cache(&[HOME, ("GLM4V_CACHE", "~/c")]),
            Some("/home/me/c".into())
        );
        assert_eq!(cache(&[]), None);
    }
}
