//! Embeddings in the form that another program reads.

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;
use glm4v::pipeline::InputInfo;
use glm4v_store::OutputDtype;
use glm4v_store::handover::{openai, vllm_cache};
use serde_json::{Value, json};

use super::EncodeArgs;
use super::cached;
use crate::console::Console;
use crate::failure::misuse;
use crate::interrupt;
use crate::listed::Listed;
use crate::reading::Reading;
use crate::session::Session;
use crate::stages::Stages;
use crate::table::Table;
use crate::values::{OnError, OutputTarget};

/// A program that reads embeddings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum HandOver {
    /// A directory that vLLM's ECExampleConnector reads, in bf16; needs -o DIR/
    VllmCache,
    /// Content parts of OpenAI's chat protocol on stdout, one a line, images only
    Openai,
}

/// Encodes the inputs for another program. Returns the number of inputs that were skipped.
pub(super) fn run(args: &EncodeArgs, to: HandOver, console: &Console) -> Result<usize> {
    let writer = Writer::new(args, to)?;
    let session = Session::new(&args.compute, &args.inputs.read, console)?;
    let (mut stages, on_error) = (Stages::default(), args.on_error.unwrap_or(OnError::Stop));
    let listed = Listed::of(&args.inputs, on_error, console)?;
    let options = glm4v::EncodeOptions::default();
    let (encoder, mut reading, first) = session.start(listed, on_error, &options, &mut stages)?;
    let identity = cached::identity(&session)?;
    let mut cached = args.cached(&session, &encoder, identity)?;
    let (width, mut written) = (session.config.out_hidden_size, Vec::new());
    let (mut next, mut refused) = (Some(first), 0);
    while let Some(batch) = next {
        for part in cached.fitting(Reading::unread(batch), &options) {
            let (mut inputs, mut patches) = reading.accept(part)?;
            let accepted = writer.accepted(&inputs, on_error, console)?;
            if accepted.contains(&false) {
                patches.retain(&accepted);
                let mut accepted = accepted.into_iter();
                let before = inputs.len();
                inputs.retain(|_| accepted.next() == Some(true));
                refused += before - inputs.len();
            }
            let keys = cached.identity.keys(&patches);
            if !inputs.is_empty() {
                let values = cached.encode_keyed(patches, &keys);
                let values = values.map_err(|error| session.explain(error))?;
                let mut rest = &values[..];
                for (input, key) in inputs.iter().zip(keys) {
                    interrupt::check()?;
                    let (tokens, others) = rest.split_at(input.tokens * width);
                    rest = others;
                    let uuid = glm4v::cached::uuid(&key);
                    let item = writer.write(input, &uuid, tokens, width)?;
                    if writer.is_printed() {
                        let text = item.to_string();
                        reading.bar.suspend(|| console.report(&text, &item))?;
                    } else {
                        written.push((input.name.clone(), uuid, item));
                    }
                }
            }
        }
        next = reading.next()?;
    }
    writer.report(&written, console)?;
    Ok(reading.failed + refused)
}

enum Writer<'a> {
    VllmCache(&'a Path),
    Openai(OutputDtype),
}

impl<'a> Writer<'a> {
    fn new(args: &'a EncodeArgs, to: HandOver) -> Result<Self> {
        match (to, &args.output) {
            (HandOver::VllmCache, Some(OutputTarget::Directory(dir))) => {
                args.job.refuse(
                    "has no effect with --to vllm-cache, which writes one file in bf16 for each input; leave it out",
                )?;
                Ok(Self::VllmCache(dir))
            }
            (HandOver::VllmCache, Some(OutputTarget::File(_)) | None) => Err(misuse(
                "--to vllm-cache needs the directory that vLLM reads, as in -o cache/",
            )),
            (HandOver::Openai, None) => args
                .job
                .output_dtype_only("has no effect with --to openai, which prints one line for each input; leave it out")
                .map(Self::Openai),
            (HandOver::Openai, Some(_)) => Err(misuse(
                "--to openai prints its lines; write them to a file with > parts.jsonl",
            )),
        }
    }

    /// Which inputs of a batch the other program takes. Fails at the first that it does not, unless failures are skipped.
    fn accepted(
        &self,
        inputs: &[InputInfo],
        on_error: OnError,
        console: &Console,
    ) -> Result<Vec<bool>> {
        let accepted = |input: &InputInfo| {
            let is_accepted = match self {
                Self::VllmCache(_) => true,
                Self::Openai(_) => input.frames.is_none(),
            };
            if is_accepted {
                return Ok(true);
            }
            let error = format!(
                "{}: is a video; the protocol has embeddings of images only",
                input.name
            );
            match on_error {
                OnError::Stop => Err(anyhow::Error::msg(error)),
                OnError::Skip => {
                    console.warning(&format!("skipped: {error}"));
                    Ok(false)
                }
            }
        };
        inputs.iter().map(accepted).collect()
    }

    fn write(&self, input: &InputInfo, uuid: &str, tokens: &[f32], width: usize) -> Result<Value> {
        match self {
            Self::VllmCache(dir) => {
                let path = vllm_cache::write(dir, uuid, tokens, width)?;
                let kind = if input.frames.is_some() {
                    "video_url"
                } else {
                    "image_url"
                };
                Ok(json!({
                    "file": input.name,
                    "uuid": uuid,
                    "path": path.to_string_lossy(),
                    "content_part": {"type": kind, kind: {"url": "…"}, "uuid": uuid},
                }))
            }
            Self::Openai(dtype) => {
                let part = openai::content_part(tokens, width, input.grid, *dtype, Some(uuid))?;
                Ok(part)
            }
        }
    }

    /// Whether each item is printed at once. The base64 text of many images would take more memory than the tower.
    const fn is_printed(&self) -> bool {
        match self {
            Self::VllmCache(_) => false,
            Self::Openai(_) => true,
        }
    }

    /// Prints what a request needs.
    fn report(&self, written: &[(String, String, Value)], console: &Console) -> Result<()> {
        match self {
            Self::VllmCache(dir) => {
                let mut table = Table::default();
                table.row(&[&"input", &"uuid"]);
                for (name, uuid, _) in written {
                    table.row(&[name, uuid]);
                }
                let text = format!(
                    "{table}\nwritten to {}\nsend each image with its uuid: {}",
                    dir.display(),
                    r#"{"type": "image_url", "image_url": {"url": "…"}, "uuid": "…"}"#
                );
                let items: Value = written.iter().map(|(.., item)| item.clone()).collect();
                console.report(&text, &json!({"items": items}))
            }
            Self::Openai(_) => Ok(()),
        }
    }
}
