use std::fs;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::attempts::Attempts;
use crate::client::Client;
use crate::download::Download;
use crate::environment::check_endpoint;
use crate::hf_cache::{CONFIG, HfCache, has_processor, missing_files};
use crate::partial::PartialFetch;
use crate::remote::Remote;
use crate::revision::{Revision, is_commit};
use crate::tower_cache::{Cached, TowerCache, remove_dir, write_atomically};
use crate::{HubError, ModelId, Progress, Settings, commit};

/// Finds checkpoints by name: in the Hugging Face cache, in our tower cache, and at the hub.
#[derive(Clone, Debug)]
pub struct Hub {
    settings: Settings,
    hf_cache: HfCache,
    tower_cache: TowerCache,
}

/// A search of the caches.
#[derive(Default)]
struct Search {
    found: Option<PathBuf>,
    /// Incomplete copies, and the files that they lack.
    incomplete: Vec<(PathBuf, Vec<String>)>,
}

/// Maximum number of missing files in a message.
const MOST_NAMED: usize = 3;

impl Hub {
    /// A hub with the settings of the environment: see [`Settings::from_env`].
    ///
    /// # Errors
    /// As [`Settings::from_env`].
    pub fn from_env() -> Result<Self, HubError> {
        Self::new(Settings::from_env()?)
    }

    /// A hub with these settings.
    ///
    /// # Errors
    /// [`HubError::Environment`] if the endpoint is not a URL.
    pub fn new(settings: Settings) -> Result<Self, HubError> {
        check_endpoint(&settings.endpoint)?;
        Ok(Self {
            hf_cache: HfCache {
                root: settings.hf_cache.clone(),
            },
            tower_cache: TowerCache(HfCache {
                // A subfolder, so that both caches can have the same root without being mixed.
                root: settings.cache.join("models"),
            }),
            settings,
        })
    }

    /// With `offline`, the same hub without network. Settings that are offline stay offline.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.settings.offline |= offline;
        self
    }

    /// The settings of this hub.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The directory of `model` in a cache, if it has all vision files. The network is never used.
    ///
    /// `revision` is a branch, a tag or a commit, full or abbreviated. `None` is `main`. For a branch or a tag, the commit
    /// of the last request to the hub counts. If both caches recorded one, the later record counts. The Hugging Face
    /// cache is searched before our tower cache.
    ///
    /// # Errors
    /// [`HubError::Revision`] if the text cannot be a revision.
    pub fn find(
        &self,
        model: &ModelId,
        revision: Option<&str>,
    ) -> Result<Option<PathBuf>, HubError> {
        Ok(self.search(model, &Revision::new(revision)?).found)
    }

    /// The directory of `model` in a cache. A model that is in no cache is fetched first: see [`Hub::find`] and
    /// [`Hub::fetch`]. For a cached model the network is not used, even if the branch has a newer commit at the hub.
    ///
    /// # Errors
    /// As [`Hub::fetch`].
    pub fn checkpoint(
        &self,
        model: &ModelId,
        revision: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<PathBuf, HubError> {
        match self.find(model, revision)? {
            Some(dir) => Ok(dir),
            None => self.fetch(model, revision, progress),
        }
    }

    /// Asks the hub for the current commit of `revision`, and returns the directory of that commit. If it is in no cache,
    /// the configurations and the vision tower are fetched into our tower cache.
    ///
    /// The directory appears when it is complete. An interrupted fetch is continued by the next call. If several processes
    /// fetch the same model, one fetches and the others wait.
    ///
    /// # Errors
    /// [`HubError::Offline`] if the network must not be used. Other [`HubError`]s if the network, the server, the
    /// checkpoint or the disk fails. A checkpoint that could not be loaded is refused before its tensors are fetched.
    pub fn fetch(
        &self,
        model: &ModelId,
        revision: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<PathBuf, HubError> {
        self.fetch_commit(
            model,
            &Revision::new(revision)?,
            progress,
            |remote| match self.search_commit(model, remote.commit).found {
                Some(dir) => Ok(dir),
                None => self.fetch_tower(remote),
            },
        )
    }

    /// A directory with the configurations of `model`: config.json and the [`glm4v_config::ProcessorFiles`] that are
    /// published. It may have no weights. Any copy in a cache is used before these files are fetched into our tower cache.
    ///
    /// # Errors
    /// As [`Hub::fetch`].
    pub fn configs(
        &self,
        model: &ModelId,
        revision: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<PathBuf, HubError> {
        let revision = Revision::new(revision)?;
        let Search { found, incomplete } = self.search(model, &revision);
        let copies = incomplete.into_iter().map(|(dir, _)| dir);
        // A commit needs no record.
        let commit = match is_commit(revision.as_str()) {
            true => Some(revision.to_string()),
            false => {
                let recorded = self.tower_cache.0.recorded(model, &revision);
                recorded.map(|(_, commit)| commit)
            }
        };
        let configs = commit.map(|commit| self.tower_cache.configs(model, &commit));
        let is_enough = |dir: &PathBuf| dir.join(CONFIG).is_file() && has_processor(dir);
        match found
            .into_iter()
            .chain(copies)
            .chain(configs)
            .find(is_enough)
        {
            Some(dir) => Ok(dir),
            None => self.fetch_commit(model, &revision, progress, |remote| {
                self.fetch_configs(remote)
            }),
        }
    }

    /// The checkpoints in our tower cache.
    ///
    /// # Errors
    /// [`HubError::Io`] if the cache cannot be read. A cache that does not exist is empty.
    pub fn cached(&self) -> Result<Vec<Cached>, HubError> {
        self.tower_cache.list()
    }

    /// Removes `model`, or one revision of it, from our tower cache, with unfinished fetches. Returns how many bytes were
    /// freed. The Hugging Face cache is not changed.
    ///
    /// # Errors
    /// [`HubError::NotCached`] if there is nothing to remove. [`HubError::Busy`] while the model is being fetched.
    pub fn remove(&self, model: &ModelId, revision: Option<&str>) -> Result<u64, HubError> {
        let revision = revision.map(str::parse).transpose()?;
        self.tower_cache.remove(model, revision.as_ref())
    }

    /// Asks the hub for the commit of `revision`, calls `fetch` with it, and records the commit.
    fn fetch_commit(
        &self,
        model: &ModelId,
        revision: &Revision,
        progress: &dyn Progress,
        fetch: impl FnOnce(&Remote<'_>) -> Result<PathBuf, HubError>,
    ) -> Result<PathBuf, HubError> {
        if self.settings.offline {
            return Err(self.offline_error(model, revision));
        }
        let stop = AtomicBool::new(false);
        let attempts = Attempts {
            transfer: &self.settings.transfer,
            progress,
            stop: &stop,
        };
        let client = &Client::new(&self.settings)?;
        let commit = &attempts.run(|| {
            let commit = commit::resolve(client, model, revision);
            commit.map_err(HubError::of_first_request)
        })?;
        let _lock = self.tower_cache.lock(model, progress)?;
        let dir = fetch(&Remote {
            client,
            attempts,
            model,
            commit,
        })?;
        self.tower_cache.record(model, revision, commit)?;
        Ok(dir)
    }

    fn fetch_configs(&self, remote: &Remote<'_>) -> Result<PathBuf, HubError> {
        let (_, texts) = remote.configs()?;
        let dir = self.tower_cache.configs(remote.model, remote.commit);
        // A directory of a commit is used as it is, so it appears with all its files. The caller has the lock.
        let partial = dir.with_extension("partial");
        remove_dir(&partial)?;
        fs::create_dir_all(&partial).map_err(HubError::io(&partial))?;
        for (name, text) in &texts {
            write_atomically(&partial.join(name), text.as_bytes())?;
        }
        remove_dir(&dir)?;
        fs::rename(&partial, &dir).map_err(HubError::io(&dir))?;
        Ok(dir)
    }

    fn fetch_tower(&self, remote: &Remote<'_>) -> Result<PathBuf, HubError> {
        let (model, commit) = (remote.model, remote.commit);
        let tower = remote.tower()?;
        let partial = PartialFetch::open(&self.tower_cache.unfinished(model, commit), &tower.plan)?;
        let download = Download {
            client: remote.client,
            plan: &tower.plan,
            sources: &tower.sources,
            partial: &partial,
            transfer: remote.attempts.transfer,
            progress: remote.attempts.progress,
        };
        download.run()?;
        for (name, text) in &tower.texts {
            partial.write(name, text)?;
        }
        let dir = self.tower_cache.0.snapshot(model, commit);
        partial.finish(&dir)?;
        Ok(dir)
    }

    fn search(&self, model: &ModelId, revision: &Revision) -> Search {
        let caches = [&self.hf_cache, &self.tower_cache.0];
        let mut recorded: Vec<_> = caches
            .into_iter()
            .filter_map(|cache| cache.recorded(model, revision))
            .collect();
        recorded.sort();
        let mut commits: Vec<String> = recorded
            .into_iter()
            .rev()
            .map(|(_, commit)| commit)
            .collect();
        if commits.is_empty() && revision.is_abbreviation() {
            commits = caches
                .into_iter()
                .flat_map(|cache| cache.commits(model, revision.as_str()))
                .collect();
            commits.sort();
            commits.dedup();
            // Which of several is meant, only the hub can say.
            if commits.len() > 1 {
                commits.clear();
            }
        }
        let mut search = Search::default();
        for commit in commits {
            let Search { found, incomplete } = self.search_commit(model, &commit);
            search.found = search.found.or(found);
            search.incomplete.extend(incomplete);
        }
        search
    }

    fn search_commit(&self, model: &ModelId, commit: &str) -> Search {
        let mut search = Search::default();
        for cache in [&self.hf_cache, &self.tower_cache.0] {
            let dir = cache.snapshot(model, commit);
            if !dir.is_dir() {
                continue;
            }
            let missing = missing_files(&dir);
            if missing.is_empty() {
                search.found = Some(dir);
                break;
            }
            search.incomplete.push((dir, missing));
        }
        search
    }

    fn offline_error(&self, model: &ModelId, revision: &Revision) -> HubError {
        let incomplete = self.search(model, revision).incomplete;
        let detail = incomplete
            .first()
            .map_or_else(String::new, |(dir, missing)| {
                let named = missing[..missing.len().min(MOST_NAMED)].join(", ");
                let more = match missing.len().saturating_sub(MOST_NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!(" completely ({} lacks {named}{more})", dir.display())
            });
        let option = match revision.is_default() {
            true => String::new(),
            false => format!(" --revision {revision}"),
        };
        HubError::Offline {
            model: model.to_string(),
            revision: revision.to_string(),
            detail,
            command: format!("glm4v fetch {model}{option}"),
        }
    }
}
