use std::io::Read;
use std::ops::Range;

use glm4v_config::{ConfigError, ProcessorFiles, VisionConfig};
use glm4v_shards::{Header, Index, Limits, Plan, Shard, ShardError, tower};
use ureq::http::Uri;

use crate::attempts::Attempts;
use crate::client::Client;
use crate::hf_cache::{CONFIG, INDEX, SINGLE};
use crate::{HubError, ModelId, url};

/// One commit of a model at the hub.
pub(crate) struct Remote<'a> {
    pub(crate) client: &'a Client,
    pub(crate) attempts: Attempts<'a>,
    pub(crate) model: &'a ModelId,
    pub(crate) commit: &'a str,
}

/// Names and texts of the small files.
pub(crate) type Texts = Vec<(&'static str, String)>;

/// The files to fetch of a commit. They are consistent with each other.
pub(crate) struct Tower {
    pub(crate) texts: Texts,
    pub(crate) plan: Plan,
    /// The shards of the plan, in the plan's order.
    pub(crate) sources: Vec<Source>,
}

/// A file at the hub.
pub(crate) struct Source {
    pub(crate) url: Uri,
    /// Its length.
    pub(crate) file_bytes: u64,
}

/// Five times the largest published index.
const LONGEST_TEXT: u64 = 32 << 20;

impl Remote<'_> {
    /// Fetches everything except the tensors. Refuses a checkpoint that could not be loaded.
    pub(crate) fn tower(&self) -> Result<Tower, HubError> {
        let (vision, texts) = self.configs()?;
        let (file, shards) = self.shards()?;
        let transfer = self.attempts.transfer;
        let limits = Limits {
            chunk_bytes: transfer.chunk_bytes,
            gap_bytes: transfer.gap_bytes,
        };
        let (shards, sources): (Vec<_>, Vec<_>) = shards.into_iter().unzip();
        Ok(Tower {
            texts,
            plan: Plan::new(tower(&vision, &shards, &file)?, &shards, limits),
            sources,
        })
    }

    /// Fetches the configurations. Refuses values that are not supported.
    pub(crate) fn configs(&self) -> Result<(VisionConfig, Texts), HubError> {
        let config = self.text(CONFIG)?;
        let vision = self.checked(CONFIG, VisionConfig::from_json(&config))?;
        let mut files = ProcessorFiles::default().of_model(&config);
        let mut texts = vec![(CONFIG, config)];
        for name in ProcessorFiles::NAMES {
            if let Some(text) = published(self.text(name))? {
                files = files.with(name, text.clone());
                texts.push((name, text));
            }
        }
        self.checked_processors(&files)?;
        Ok((vision, texts))
    }

    /// The files with the tower, and the name of their list for messages. A single file is preferred to shards, as in
    /// transformers.
    fn shards(&self) -> Result<(String, Vec<(Shard, Source)>), HubError> {
        if let Some(single) = published(self.shard(SINGLE))? {
            return Ok((self.shown(SINGLE), vec![single]));
        }
        let file = self.shown(INDEX);
        let text = published(self.text(INDEX))?.ok_or_else(|| HubError::NoWeights {
            model: self.model.to_string(),
            commit: self.commit.to_owned(),
        })?;
        let index = Index::parse(&text, &file)?;
        let names = index.shards(&file)?;
        let shards = names.keys().map(|name| self.shard(name));
        Ok((file, shards.collect::<Result<_, _>>()?))
    }

    fn shard(&self, name: &str) -> Result<(Shard, Source), HubError> {
        let (url, file) = (self.url(name), self.shown(name));
        let first = self
            .attempts
            .transfer
            .header_bytes
            .max(Header::LENGTH_BYTES as u64);
        let (mut head, file_bytes) = self.attempts.run(|| self.bytes(&url, 0..first, true))?;
        let short = || ShardError::Header {
            file: file.clone(),
            message: format!("{file_bytes} bytes are too few"),
        };
        let length = *head.first_chunk().ok_or_else(short)?;
        let data_start = Header::data_start(length, file_bytes, &file)?;
        let found = head.len() as u64;
        if found < data_start {
            let (rest, _) = self
                .attempts
                .run(|| self.bytes(&url, found..data_start, false))?;
            head.extend(rest);
        }
        head.truncate(data_start as usize);
        let header = Header::parse(&head, file_bytes, &file)?;
        // A fetch continues if its plan is the same. The plan has the name of the file, so that the mirror may change.
        let shard = Shard {
            file: name.to_owned(),
            header,
        };
        Ok((shard, Source { url, file_bytes }))
    }

    /// Bytes of a file, and the length of the file.
    fn bytes(
        &self,
        url: &Uri,
        range: Range<u64>,
        may_end: bool,
    ) -> Result<(Vec<u8>, u64), HubError> {
        let mut response = self.client.range(url, range.clone(), may_end)?;
        let expected = range.end.min(response.file_bytes) - range.start;
        let mut bytes = Vec::new();
        let read = response
            .body
            .by_ref()
            .take(expected)
            .read_to_end(&mut bytes);
        let (url, found) = (response.url, bytes.len() as u64);
        match read {
            Ok(_) if found == expected => Ok((bytes, response.file_bytes)),
            Ok(_) => Err(HubError::Truncated {
                url,
                expected,
                found,
            }),
            Err(source) => Err(HubError::Connection { url, source }),
        }
    }

    fn text(&self, name: &str) -> Result<String, HubError> {
        let url = self.url(name);
        self.attempts.run(|| self.client.small(&url, LONGEST_TEXT))
    }

    /// Refuses processors that could not be loaded.
    fn checked_processors(&self, files: &ProcessorFiles) -> Result<(), HubError> {
        let result = files.image().and_then(|_| files.video());
        match result {
            Ok(_) => Ok(()),
            // The error names the file. The URL is what the user can look at.
            Err(ConfigError::File { path, source }) => {
                self.checked(&path.to_string_lossy(), Err(*source))
            }
            Err(source) => self.checked(ProcessorFiles::IMAGE, Err(source)),
        }
    }

    fn checked<T>(&self, name: &str, config: Result<T, ConfigError>) -> Result<T, HubError> {
        let file = || self.shown(name);
        config.map_err(|source| HubError::Config {
            file: file(),
            source,
        })
    }

    fn url(&self, name: &str) -> Uri {
        let path = format!(
            "{}/resolve/{}/{}",
            self.model,
            self.commit,
            url::encode(name)
        );
        self.client.url(&path)
    }

    fn shown(&self, name: &str) -> String {
        url::shown(&self.url(name))
    }
}

/// Gives `None` for a file that the model does not have.
fn published<T>(file: Result<T, HubError>) -> Result<Option<T>, HubError> {
    match file {
        Ok(file) => Ok(Some(file)),
        Err(HubError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
