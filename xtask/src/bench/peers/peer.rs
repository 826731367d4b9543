use std::process::Command;

use anyhow::Result;

use super::Peers;

/// A program that runs the tower on the CPU.
#[derive(Clone, Copy)]
pub(super) enum Program {
    OpenVino,
    OnnxRuntime,
    Transformers,
    /// transformers through torch.compile.
    Compiled,
    Llama,
}

/// A program in one of our data types, or in its type that comes closest.
pub(super) struct Peer {
    pub(super) program: Program,
    pub(super) dtype: &'static str,
    /// The type in the table, if it is not `dtype`: `NNCF, W8A8`.
    pub(super) note: Option<&'static str>,
}

use Program::{Compiled, Llama, OnnxRuntime, OpenVino, Transformers};

/// Every peer, in the order of the table's types.
pub(super) static PEERS: [Peer; 13] = [
    Peer::new(OpenVino, "f32", None),
    Peer::new(OnnxRuntime, "f32", None),
    Peer::new(Transformers, "f32", None),
    Peer::new(Compiled, "f32", None),
    Peer::new(Llama, "f32", Some("f16")),
    Peer::new(OpenVino, "bf16", None),
    Peer::new(Transformers, "bf16", None),
    Peer::new(Compiled, "bf16", None),
    Peer::new(Llama, "bf16", None),
    Peer::new(OpenVino, "int8", Some("NNCF, W8A8")),
    Peer::new(OnnxRuntime, "int8", Some("dynamic")),
    Peer::new(Transformers, "int8", Some("dynamic")),
    Peer::new(Llama, "int8", Some("Q8_0")),
];

impl Program {
    /// The name in tables and in the chart.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::OpenVino => "OpenVINO",
            Self::OnnxRuntime => "ONNX Runtime",
            Self::Transformers => "transformers",
            Self::Compiled => "transformers, compiled",
            Self::Llama => "llama.cpp",
        }
    }

    /// The name in `tests/peers/peers.py`.
    pub(super) fn script_name(self) -> &'static str {
        match self {
            Self::OpenVino => "openvino",
            Self::OnnxRuntime => "onnxruntime",
            Self::Transformers => "transformers",
            Self::Compiled => "compiled",
            Self::Llama => "llama",
        }
    }
}

impl Peer {
    const fn new(program: Program, dtype: &'static str, note: Option<&'static str>) -> Self {
        Self {
            program,
            dtype,
            note,
        }
    }

    /// The program and its type, for messages.
    pub(super) fn label(&self) -> String {
        format!(
            "{}, {}",
            self.program.name(),
            self.note.unwrap_or(self.dtype)
        )
    }

    /// The command that writes the tower in the form that the program reads, unless it reads the checkpoint.
    pub(super) fn export(&self, peers: &Peers<'_>) -> Result<Option<Command>> {
        match self.program {
            OpenVino | OnnxRuntime => peers.script("export", self).map(Some),
            Transformers | Compiled => Ok(None),
            Llama => {
                // Before the export, so that a missing program costs no time.
                peers.llama()?;
                let mut command = peers.bench.release.program("glm4v");
                command.args(["export", "--quiet", "--type", self.gguf_type()]);
                command.arg(peers.bench.checkpoint);
                command.arg("-o").arg(peers.folder.join("model/tower.gguf"));
                Ok(Some(command))
            }
        }
    }

    /// The command that starts the side.
    pub(super) fn serve(&self, peers: &Peers<'_>) -> Result<Command> {
        let mut command = peers.script("serve", self)?;
        match self.program {
            OpenVino | OnnxRuntime | Transformers | Compiled => {}
            Llama => {
                command.arg("--llama").arg(peers.llama()?);
            }
        }
        Ok(command)
    }

    /// How llama.cpp stores matrices of this type. Its f32 is slower than its f16.
    fn gguf_type(&self) -> &'static str {
        match self.dtype {
            "f32" => "f16",
            "int8" => "q8_0",
            same => same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama_stores_every_type() {
        let llama = PEERS.iter().filter(|peer| matches!(peer.program, Llama));
        let types: Vec<_> = llama.map(|peer| (peer.label(), peer.gguf_type())).collect();
        let expected = [
            ("llama.cpp, f16", "f16"),
            ("llama.cpp, bf16", "bf16"),
            ("llama.cpp, Q8_0", "q8_0"),
        ];
        assert_eq!(
            types,
            expected.map(|(label, stored)| (label.to_owned(), stored))
        );
    }
}
