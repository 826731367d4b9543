//! GLM-V checkpoints by name.
//!
//! [`Hub::checkpoint`] turns `zai-org/GLM-4.1V-9B-Thinking` into a directory. It looks in the Hugging Face cache first,
//! then in our tower cache. If neither has the vision files, it fetches them into the tower cache. A fetch reads only the
//! vision tower from the shards: 1.8 of 20 GB for GLM-4.1V. The tower becomes one safetensors file beside the
//! configurations. [`Settings::from_env`] lists the environment variables.
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
//! A fetch first asks the hub for the commit of the revision. All later requests name that commit. Headers and
//! configurations are compared before any tensor is requested. Every response must be exactly the requested range. The
//! token is sent to the hub, and never to a host that the hub redirects to. An interrupted fetch keeps its finished
//! chunks. [`glm4v_shards`] decides which bytes are requested and where they are written.

mod attempts;
mod certificates;
mod client;
mod commit;
mod download;
mod environment;
mod error;
mod hf_cache;
mod hub;
mod model_id;
mod partial;
mod progress;
mod remote;
mod revision;
mod settings;
mod token;
mod tower_cache;
mod transfer;
mod url;

pub use error::HubError;
pub use hub::Hub;
pub use model_id::ModelId;
pub use progress::Progress;
pub use settings::Settings;
pub use token::Token;
pub use tower_cache::Cached;
pub use transfer::Transfer;
