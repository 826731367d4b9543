use std::ffi::OsString;
use std::path::{Path, PathBuf};

use glm4v_config::Environment;

use crate::settings::ENDPOINT;
use crate::{HubError, Settings, Token, url};

impl Settings {
    /// Reads the settings from the environment. The variables mean the same as in `huggingface_hub`:
    ///
    /// | Variable | Meaning |
    /// |---|---|
    /// | `HF_ENDPOINT` | the hub; default `https://huggingface.co` |
    /// | `HF_TOKEN`, else `HUGGING_FACE_HUB_TOKEN` | the token; else the file `HF_TOKEN_PATH`, else `$HF_HOME/token` |
    /// | `HF_HUB_DISABLE_IMPLICIT_TOKEN` | no token is sent |
    /// | `HF_HUB_CACHE`, else `HUGGINGFACE_HUB_CACHE` | the Hugging Face cache; default `$HF_HOME/hub` |
    /// | `HF_HOME` | default `$XDG_CACHE_HOME/huggingface`, else `~/.cache/huggingface` |
    /// | `HF_HUB_OFFLINE`, else `TRANSFORMERS_OFFLINE` | `1`, `true`, `yes` or `on`: the network is not used |
    /// | `SSL_CERT_FILE`, else `REQUESTS_CA_BUNDLE` | certificates to trust in place of Mozilla's |
    /// | `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` | proxies, read when the network is used |
    /// | `GLM4V_CACHE` | our tower cache; default `glm4v` in `$XDG_CACHE_HOME`, else in the user's cache directory |
    ///
    /// An empty variable counts as not set. `~`, `$NAME` and `${NAME}` are replaced in paths.
    ///
    /// # Errors
    /// [`HubError`] if the endpoint is not a URL, if the token cannot be read or sent, or if a cache needs the home
    /// directory and there is none.
    pub fn from_env() -> Result<Self, HubError> {
        Variables(Environment::of_process()).settings()
    }

    /// [`Settings::from_env`] with variables from `lookup`.
    ///
    /// # Errors
    /// As [`Settings::from_env`].
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, HubError> {
        Variables(Environment::new(|name| Some(lookup(name)?.into()))).settings()
    }
}

struct Variables<F>(Environment<F>);

impl<F: Fn(&str) -> Option<OsString>> Variables<F> {
    fn settings(&self) -> Result<Settings, HubError> {
        let hf_home = self.hf_home();
        let cache = self.0.user_cache().ok_or(HubError::NoHome)?;
        let mut settings = Settings::new(self.hf_cache(&hf_home)?, cache);
        settings.endpoint = self.endpoint()?;
        settings.token = self.token(&hf_home)?;
        settings.offline = self.is_true(&["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]);
        settings.proxies = true;
        settings.certificates = self.0.path(&["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"]);
        Ok(settings)
    }

    fn is_true(&self, names: &[&str]) -> bool {
        let value = self.0.text(names).unwrap_or_default().to_ascii_lowercase();
        ["1", "on", "true", "yes"].contains(&value.as_str())
    }

    /// Below the home directory on every platform, as in Hugging Face's programs.
    fn hf_home(&self) -> Result<PathBuf, HubError> {
        if let Some(home) = self.0.path(&["HF_HOME"]) {
            return Ok(home);
        }
        match self.0.path(&["XDG_CACHE_HOME"]) {
            Some(cache) => Ok(cache.join("huggingface")),
            None => {
                let home = self.0.home().ok_or(HubError::NoHome)?;
                Ok(home.join(".cache").join("huggingface"))
            }
        }
    }

    fn hf_cache(&self, hf_home: &Result<PathBuf, HubError>) -> Result<PathBuf, HubError> {
        match (
            self.0.path(&["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"]),
            hf_home,
        ) {
            (Some(cache), _) => Ok(cache),
            (None, Ok(home)) => Ok(home.join("hub")),
            (None, Err(_)) => Err(HubError::NoHome),
        }
    }

    fn endpoint(&self) -> Result<String, HubError> {
        let Some(endpoint) = self.0.text(&["HF_ENDPOINT"]) else {
            return Ok(ENDPOINT.to_owned());
        };
        check_endpoint(&endpoint)?;
        Ok(endpoint.trim_end_matches('/').to_owned())
    }

    fn token(&self, hf_home: &Result<PathBuf, HubError>) -> Result<Option<Token>, HubError> {
        if self.is_true(&["HF_HUB_DISABLE_IMPLICIT_TOKEN"]) {
            return Ok(None);
        }
        let variables = self.0.text(&["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"]);
        if let Some(token) = variables.and_then(|text| Token::new(&text)) {
            return sendable(token, "HF_TOKEN").map(Some);
        }
        let file = match (self.0.path(&["HF_TOKEN_PATH"]), hf_home) {
            (Some(file), _) => file,
            (None, Ok(home)) => home.join("token"),
            (None, Err(_)) => return Ok(None),
        };
        match read_token(&file)? {
            Some(token) => sendable(token, "HF_TOKEN_PATH").map(Some),
            None => Ok(None),
        }
    }
}

/// Refuses an address that cannot be a hub. Passwords are refused too, because other libraries would show them in errors.
pub(crate) fn check_endpoint(endpoint: &str) -> Result<(), HubError> {
    let uri = url::parse(endpoint);
    let valid = uri.as_ref().is_some_and(|uri| {
        uri.query().is_none()
            && uri
                .authority()
                .is_some_and(|host| !host.as_str().contains('@'))
    });
    if valid {
        return Ok(());
    }
    Err(HubError::Environment {
        name: "HF_ENDPOINT",
        expected: "a URL such as https://huggingface.co, without password and query",
        found: uri.map_or_else(
            || "text that is not a URL".to_owned(),
            |uri| url::shown(&uri),
        ),
    })
}

fn read_token(file: &Path) -> Result<Option<Token>, HubError> {
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Token::new(&text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(HubError::io(file)(error)),
    }
}

fn sendable(token: Token, name: &'static str) -> Result<Token, HubError> {
    if token.is_sendable() {
        return Ok(token);
    }
    Err(HubError::Environment {
        name,
        expected: "a token on one line",
        found: "spaces or special characters".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Settings, HubError> {
        Settings::from_lookup(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    const HOME: (&str, &str) = if cfg!(windows) {
        ("USERPROFILE", "/home/me")
    } else {
        ("HOME", "/home/me")
    };

    #[test]
    fn an_empty_environment_has_the_usual_paths() {
        let settings = read(&[HOME]).unwrap();
        assert_eq!(settings.endpoint, "https://huggingface.co");
        assert_eq!(
            settings.hf_cache,
            Path::new("/home/me/.cache/huggingface/hub")
        );
        if cfg!(target_os = "linux") {
            assert_eq!(settings.cache, Path::new("/home/me/.cache/glm4v"));
        }
        assert!(settings.token.is_none() && !settings.offline && settings.proxies);
    }

    #[test]
    fn the_more_specific_variable_wins() {
        let hf_cache = |variables: &[_]| read(&[&[HOME], variables].concat()).unwrap().hf_cache;
        let mut variables = vec![("XDG_CACHE_HOME", "/xdg")];
        assert_eq!(hf_cache(&variables), Path::new("/xdg/huggingface/hub"));
        variables.push(("HF_HOME", "/hf"));
        assert_eq!(hf_cache(&variables), Path::new("/hf/hub"));
        variables.push(("HUGGINGFACE_HUB_CACHE", "/old"));
        assert_eq!(hf_cache(&variables), Path::new("/old"));
        variables.push(("HF_HUB_CACHE", "/new"));
        assert_eq!(hf_cache(&variables), Path::new("/new"));
        assert_eq!(
            hf_cache(&[("HF_HUB_CACHE", "")]),
            Path::new("/home/me/.cache/huggingface/hub")
        );
    }

    #[test]
    fn the_tower_cache_can_be_moved() {
        let cache = |variables: &[_]| read(&[&[HOME], variables].concat()).unwrap().cache;
        assert_eq!(
            cache(&[("XDG_CACHE_HOME", "/xdg")]),
            Path::new("/xdg/glm4v")
        );
        assert_eq!(
            cache(&[("XDG_CACHE_HOME", "/xdg"), ("GLM4V_CACHE", "/own")]),
            Path::new("/own")
        );
    }

    #[test]
    fn paths_are_expanded() {
        let settings = read(&[HOME, ("DISK", "/disk"), ("HF_HUB_CACHE", "$DISK/hub")]).unwrap();
        assert_eq!(settings.hf_cache, Path::new("/disk/hub"));
    }

    #[test]
    fn offline_has_the_usual_values() {
        for (value, offline) in [
            ("1", true),
            ("ON", true),
            ("Yes", true),
            ("true", true),
            ("0", false),
            ("", false),
            ("no", false),
        ] {
            for name in ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"] {
                assert_eq!(
                    read(&[HOME, (name, value)]).unwrap().offline,
                    offline,
                    "{name}={value}"
                );
            }
        }
    }

    #[test]
    fn no_home_is_needed_if_all_paths_are_set() {
        assert!(matches!(read(&[]), Err(HubError::NoHome)));
        assert!(matches!(read(&[("HF_HOME", "/hf")]), Err(HubError::NoHome)));
        assert!(read(&[("HF_HUB_CACHE", "/hf"), ("GLM4V_CACHE", "/own")]).is_ok());
    }

    #[test]
    fn endpoints_are_checked() {
        let endpoint = |value| read(&[HOME, ("HF_ENDPOINT", value)]);
        assert_eq!(
            endpoint("http://127.0.0.1:80/hub/").unwrap().endpoint,
            "http://127.0.0.1:80/hub"
        );
        for value in [
            "hf-mirror.com",
            "ftp://hub.example",
            "https://",
            "https://me:secret@hub.example",
            "https://hub.example/?key=secret",
        ] {
            let message = endpoint(value).unwrap_err().to_string();
            assert!(
                message.contains("HF_ENDPOINT") && !message.contains("secret"),
                "{message}"
            );
        }
    }

    #[test]
    fn the_token_of_the_variable_is_preferred_to_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().to_str().unwrap();
        let hf_home = [HOME, ("HF_HOME", home)];
        let token = |variables: &[_]| read(&[&hf_home, variables].concat()).unwrap().token;
        assert_eq!(token(&[]), None);
        std::fs::write(dir.path().join("token"), "hf_file\n").unwrap();
        assert_eq!(token(&[]), Token::new("hf_file"));
        let other = dir.path().join("other");
        std::fs::write(&other, "hf_other").unwrap();
        assert_eq!(
            token(&[("HF_TOKEN_PATH", other.to_str().unwrap())]),
            Token::new("hf_other")
        );
        assert_eq!(
            token(&[("HUGGING_FACE_HUB_TOKEN", "hf_old")]),
            Token::new("hf_old")
        );
        assert_eq!(
            token(&[("HF_TOKEN", " hf_new\n"), ("HUGGING_FACE_HUB_TOKEN", "x")]),
            Token::new("hf_new")
        );
        assert_eq!(
            token(&[("HF_TOKEN", "x"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")]),
            None
        );
    }

    #[test]
    fn a_token_is_never_shown() {
        let message = read(&[HOME, ("HF_TOKEN", "hf_secret\nhf_other")])
            .unwrap_err()
            .to_string();
        assert!(
            message.starts_with("HF_TOKEN") && !message.contains("hf_"),
            "{message}"
        );
        let settings = read(&[HOME, ("HF_TOKEN", "hf_secret")]).unwrap();
        assert!(!format!("{settings:?}").contains("hf_secret"));
    }
}
