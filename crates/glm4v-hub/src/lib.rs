//! GLM-V checkpoints by name.
//!
//! [`Hub::checkpoint`] turns `zai-org/GLM-4.1V-9B-Thinking` into a directory: the snapshot of the Hugging Face cache if
//! the vision side is there, or else one of our own cache, fetched if need be. Of the weights only the vision tower is
//! fetched, by ranges of the shards that hold it (1.8 GB of GLM-4.1V's 20), and kept as one safetensors file beside
//! the configurations. [`Settings::from_env`] lists the variables that are obeyed.
//!
//! ```no_run
//! use glm4v_hub::Hub;
//!
//! let hub = Hub::from_env()?;
//! let model = "zai-org/GLM-4.1V-9B-Thinking".parse()?;
//! let dir = hub.checkpoint(&model, None, &())?;
//! println!("{}", dir.display());
//! # Ok::<(), glm4v_hub::HubError>(())
//! ```
//!
//! A fetch asks the hub which commit the revision is and then for that commit alone. Headers and configuration are
//! checked against each other before anything big is asked for; every answer must be exactly the range of the request;
//! the token goes to the hub and to no host that it redirects to. What was fetched survives an interruption, chunk by
//! chunk. [`glm4v_shards`] decides which bytes are asked for and where they go.

mod attempts;
mod cache;
mod certificates;
mod client;
mod commit;
mod download;
mod environment;
mod error;
mod hub;
mod model_id;
mod own;
mod progress;
mod remote;
mod revision;
mod settings;
mod token;
mod transfer;
mod unfinished;
mod url;

pub use error::HubError;
pub use hub::Hub;
pub use model_id::ModelId;
pub use own::Cached;
pub use progress::Progress;
pub use settings::Settings;
pub use token::Token;
pub use transfer::Transfer;
