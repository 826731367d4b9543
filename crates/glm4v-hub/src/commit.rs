use serde::Deserialize;

use crate::client::{Client, Reply};
use crate::revision::{Revision, is_commit};
use crate::{HubError, ModelId};

const COMMIT: &str = "x-repo-commit";
/// The response of the API lists the model's files.
const LONGEST_RESPONSE: u64 = 32 << 20;

/// Asks the hub for the commit of `revision`.
pub(crate) fn resolve(
    client: &Client,
    model: &ModelId,
    revision: &Revision,
) -> Result<String, HubError> {
    let url = client.url(&format!(
        "{model}/resolve/{}/config.json",
        revision.encoded()
    ));
    // The hub sends this header. A host that it redirects to may not.
    let reply = client.head(&url, |reply| commit(reply).is_some())?;
    if let Some(commit) = commit(&reply) {
        return checked(commit, &reply.shown());
    }
    // Some mirrors do not support HEAD. The API reports other errors as well.
    if !matches!(reply.status(), 405 | 501) {
        reply.check(client)?;
    }
    ask_api(client, model, revision)
}

fn ask_api(client: &Client, model: &ModelId, revision: &Revision) -> Result<String, HubError> {
    #[derive(Deserialize)]
    struct ModelInfo {
        sha: String,
    }
    let path = format!("api/models/{model}/revision/{}", revision.encoded());
    let url = client.url(&path);
    let shown = crate::url::shown(&url);
    let no_commit = |found: String| HubError::NoCommit {
        url: shown.clone(),
        found,
    };
    let text = match client.small(&url, LONGEST_RESPONSE) {
        Err(HubError::NotFound { .. }) => return Err(no_commit("neither".to_owned())),
        text => text?,
    };
    let info: ModelInfo =
        serde_json::from_str(&text).map_err(|error| no_commit(error.to_string()))?;
    checked(&info.sha, &shown)
}

fn commit(reply: &Reply) -> Option<&str> {
    reply.header(COMMIT)
}

/// Refuses other text, because the commit becomes the name of a folder.
fn checked(commit: &str, url: &str) -> Result<String, HubError> {
    if is_commit(commit) {
        return Ok(commit.to_owned());
    }
    let found: String = commit.escape_debug().take(80).collect();
    Err(HubError::NoCommit {
        url: url.to_owned(),
        found: format!("`{found}`"),
    })
}
