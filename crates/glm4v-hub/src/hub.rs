use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use crate::attempts::Attempts;
use crate::cache::{CONFIG, Cache, PREPROCESSOR, lacking};
use crate::client::Client;
use crate::download::Download;
use crate::environment::check_endpoint;
use crate::own::{Cached, Own, write_whole};
use crate::remote::Remote;
use crate::revision::Revision;
use crate::unfinished::Unfinished;
use crate::{HubError, ModelId, Progress, Settings, commit};

/// Checkpoints by name: those in the Hugging Face cache, those in our own, and those of the hub.
#[derive(Clone, Debug)]
pub struct Hub {
    settings: Settings,
    theirs: Cache,
    ours: Own,
}

/// A search of the caches.
#[derive(Default)]
struct Search {
    found: Option<PathBuf>,
    /// Incomplete copies, and what they lack.
    incomplete: Vec<(PathBuf, Vec<String>)>,
}

/// Names of missing files in a message.
const NAMED: usize = 3;

impl Hub {
    /// The hub of the environment's settings: see [`Settings::from_env`].
    ///
    /// # Errors
    /// As [`Settings::from_env`].
    pub fn from_env() -> Result<Self, HubError> {
        Self::new(Settings::from_env()?)
    }

    /// The hub of these settings.
    ///
    /// # Errors
    /// [`HubError::Environment`] for an endpoint that is no URL.
    pub fn new(settings: Settings) -> Result<Self, HubError> {
        check_endpoint(&settings.endpoint)?;
        Ok(Self {
            theirs: Cache {
                root: settings.hf_cache.clone(),
            },
            ours: Own(Cache {
                // A folder of its own: even where both caches are in one place, none of theirs is taken for ours.
                root: settings.cache.join("models"),
            }),
            settings,
        })
    }

    /// The same hub with the network off limits, if `offline`; settings that say so already stay.
    #[must_use]
    pub fn offline(mut self, offline: bool) -> Self {
        self.settings.offline |= offline;
        self
    }

    /// What this hub was made of.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The directory of `model` in a cache, if its vision side is there as a whole. The network is never used.
    ///
    /// `revision` is a branch, a tag or a commit, whole or abbreviated; `None` is `main`. A branch or tag is the commit
    /// that it was when a program last asked the hub: the later answer counts, whichever cache noted it. A commit is
    /// taken from the Hugging Face cache before our own.
    ///
    /// # Errors
    /// [`HubError::Revision`] for what cannot be a revision.
    pub fn find(
        &self,
        model: &ModelId,
        revision: Option<&str>,
    ) -> Result<Option<PathBuf>, HubError> {
        Ok(self.search(model, &Revision::new(revision)?).found)
    }

    /// The directory of `model` in a cache, which is fetched first if it is not there: see [`Hub::find`] and
    /// [`Hub::fetch`]. If it is, the network is not used, though the branch may have moved on.
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

    /// The directory of the commit that `revision` of `model` is now, by the hub's word. What is in neither cache is
    /// fetched into our own: the configurations and, of the weights, only the vision tower.
    ///
    /// The directory appears when it is whole. What an interrupted call has fetched is kept, and the next one goes on
    /// with it. Several processes may ask for the same model: one fetches, the others wait.
    ///
    /// # Errors
    /// [`HubError::Offline`] where the network is off limits, and [`HubError`] for whatever can be wrong with a
    /// network, a server, a checkpoint and a disk. A checkpoint that could not be loaded is refused before its tensors
    /// are fetched.
    pub fn fetch(
        &self,
        model: &ModelId,
        revision: Option<&str>,
        progress: &dyn Progress,
    ) -> Result<PathBuf, HubError> {
        self.ask(
            model,
            &Revision::new(revision)?,
            progress,
            |remote| match self.search_commit(model, remote.commit).found {
                Some(dir) => Ok(dir),
                None => self.fetch_tower(remote),
            },
        )
    }

    /// A directory with the configurations of `model`, for what needs no weights: config.json, preprocessor_config.json
    /// and, where it is published, video_preprocessor_config.json. That of [`Hub::find`] if there is one; any copy in a
    /// cache, without weights too; or else these files are fetched into our own.
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
        let noted = self.ours.0.noted(model, &revision);
        let own = noted.map(|(_, commit)| self.ours.configs(model, &commit));
        let is_enough = |dir: &PathBuf| {
            let mut files = [CONFIG, PREPROCESSOR].into_iter();
            files.all(|name| dir.join(name).is_file())
        };
        match found.into_iter().chain(copies).chain(own).find(is_enough) {
            Some(dir) => Ok(dir),
            None => self.ask(model, &revision, progress, |remote| {
                self.fetch_configs(remote)
            }),
        }
    }

    /// What is in our own cache.
    ///
    /// # Errors
    /// [`HubError::Io`] for a cache that cannot be read; one that is not there is empty.
    pub fn cached(&self) -> Result<Vec<Cached>, HubError> {
        self.ours.list()
    }

    /// Removes `model` from our own cache, or one revision of it, what is unfinished as well, and returns the bytes
    /// that this freed. The Hugging Face cache is left alone.
    ///
    /// # Errors
    /// [`HubError::NotCached`] if there is nothing to remove, [`HubError::Busy`] while the model is being fetched.
    pub fn remove(&self, model: &ModelId, revision: Option<&str>) -> Result<u64, HubError> {
        let revision = revision.map(str::parse).transpose()?;
        self.ours.remove(model, revision.as_ref())
    }

    /// What `fetch` makes of the commit that `revision` of `model` is by the hub's word, which is noted.
    fn ask(
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
            commit.map_err(HubError::at_first)
        })?;
        let _lock = self.ours.lock(model, progress)?;
        let dir = fetch(&Remote {
            client,
            attempts,
            model,
            commit,
        })?;
        self.ours.note(model, revision, commit)?;
        Ok(dir)
    }

    fn fetch_configs(&self, remote: &Remote<'_>) -> Result<PathBuf, HubError> {
        let (_, texts) = remote.configs()?;
        let dir = self.ours.configs(remote.model, remote.commit);
        std::fs::create_dir_all(&dir).map_err(HubError::io(&dir))?;
        for (name, text) in &texts {
            write_whole(&dir.join(name), text.as_bytes())?;
        }
        Ok(dir)
    }

    fn fetch_tower(&self, remote: &Remote<'_>) -> Result<PathBuf, HubError> {
        let (model, commit) = (remote.model, remote.commit);
        let tower = remote.tower()?;
        let unfinished = Unfinished::open(&self.ours.unfinished(model, commit), &tower.plan)?;
        let download = Download {
            client: remote.client,
            plan: &tower.plan,
            sources: &tower.sources,
            unfinished: &unfinished,
            transfer: remote.attempts.transfer,
            progress: remote.attempts.progress,
        };
        download.run()?;
        for (name, text) in &tower.texts {
            unfinished.write(name, text)?;
        }
        let dir = self.ours.0.snapshot(model, commit);
        unfinished.finish(&dir)?;
        Ok(dir)
    }

    fn search(&self, model: &ModelId, revision: &Revision) -> Search {
        let caches = [&self.theirs, &self.ours.0];
        let mut noted: Vec<_> = caches
            .into_iter()
            .filter_map(|cache| cache.noted(model, revision))
            .collect();
        noted.sort();
        let mut commits: Vec<String> = noted.into_iter().rev().map(|(_, commit)| commit).collect();
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
        for cache in [&self.theirs, &self.ours.0] {
            let dir = cache.snapshot(model, commit);
            if !dir.is_dir() {
                continue;
            }
            let lacking = lacking(&dir);
            if lacking.is_empty() {
                search.found = Some(dir);
                break;
            }
            search.incomplete.push((dir, lacking));
        }
        search
    }

    fn offline_error(&self, model: &ModelId, revision: &Revision) -> HubError {
        let incomplete = self.search(model, revision).incomplete;
        let detail = incomplete
            .first()
            .map_or_else(String::new, |(dir, lacking)| {
                let named = lacking[..lacking.len().min(NAMED)].join(", ");
                let more = match lacking.len().saturating_sub(NAMED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                format!(" as a whole ({} lacks {named}{more})", dir.display())
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
