//! llama.cpp's names of the tower's parameters.

use glm4v_config::Parameter;

use crate::Format;

/// The modules outside the blocks.
const MODULES: [(&str, &str); 10] = [
    ("patch_embed.proj", "v.patch_embd"),
    ("post_conv_layernorm", "v.norm_embd"),
    ("embeddings.position_embedding", "v.position_embd"),
    ("post_layernorm", "v.post_ln"),
    ("downsample", "mm.patch_merger"),
    ("merger.proj", "mm.model.fc"),
    ("merger.post_projection_norm", "mm.post_norm"),
    ("merger.gate_proj", "mm.gate"),
    ("merger.up_proj", "mm.up"),
    ("merger.down_proj", "mm.down"),
];
/// The modules of a block, `blocks.N` and `v.blk.N`. `attn.qkv` stays fused, in the order of the checkpoint.
const BLOCK_MODULES: [(&str, &str); 9] = [
    ("norm1", "ln1"),
    ("attn.qkv", "attn_qkv"),
    ("attn.q_norm", "attn_q_norm"),
    ("attn.k_norm", "attn_k_norm"),
    ("attn.proj", "attn_out"),
    ("norm2", "ln2"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
];
/// The convolution over frames. Each frame's kernel is a tensor of its own.
const PATCH_KERNEL: &str = "patch_embed.proj.weight";
/// Frames of that convolution in llama.cpp.
pub(crate) const FRAMES: usize = 2;
/// What the names of the vision encoder and of its projector begin with.
const PREFIXES: [&str; 2] = ["v.", "mm."];

/// A tensor of a GGUF file that stores a parameter of the tower, or one frame of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TowerTensor {
    /// The name in GGUF files.
    pub name: String,
    /// The shape, outermost side first.
    pub shape: Vec<usize>,
}

/// The tensors that store a parameter. All but one parameter are stored as they are. The kernel of the patch embedding,
/// `[hidden, channels, frames, height, width]`, becomes one tensor without the third side for each frame.
///
/// ```
/// use glm4v_config::Preset;
/// use glm4v_gguf::stored_as;
///
/// let parameters = Preset::Glm41V9B.vision().parameters();
/// let names = |index: usize| -> Vec<String> {
///     stored_as(&parameters[index]).into_iter().map(|tensor| tensor.name).collect()
/// };
/// assert_eq!(parameters[0].key, "patch_embed.proj.weight");
/// assert_eq!(names(0), ["v.patch_embd.weight", "v.patch_embd.weight.1"]);
/// assert_eq!(parameters[5].key, "blocks.0.attn.qkv.weight");
/// assert_eq!(names(5), ["v.blk.0.attn_qkv.weight"]);
/// ```
///
/// # Panics
/// If the parameter is not one of [`glm4v_config::VisionConfig::parameters`].
#[must_use]
pub fn stored_as(parameter: &Parameter) -> Vec<TowerTensor> {
    let Parameter { key, shape } = parameter;
    let name = name_of(key).unwrap_or_else(|| panic!("`{key}` is not a parameter of the tower"));
    match (&key[..], &shape[..]) {
        (PATCH_KERNEL, &[hidden, channels, frames, height, width]) => (0..frames)
            .map(|frame| TowerTensor {
                name: match frame {
                    0 => name.clone(),
                    frame => format!("{name}.{frame}"),
                },
                shape: vec![hidden, channels, height, width],
            })
            .collect(),
        _ => vec![TowerTensor {
            name,
            shape: shape.clone(),
        }],
    }
}

/// The name of the parameter `key`.
fn name_of(key: &str) -> Option<String> {
    let (module, kind) = key.rsplit_once('.')?;
    let find = |modules: &[(&str, &'static str)], module: &str| {
        let found = modules.iter().find(|(known, _)| *known == module);
        found.map(|(_, name)| *name)
    };
    let name = match module.strip_prefix("blocks.") {
        None => find(&MODULES, module)?.to_owned(),
        Some(rest) => {
            let (block, module) = rest.split_once('.')?;
            format!("v.blk.{block}.{}", find(&BLOCK_MODULES, module)?)
        }
    };
    Some(format!("{name}.{kind}"))
}

/// Whether a tensor belongs to the vision encoder or its projector.
pub(crate) fn is_vision(name: &str) -> bool {
    let starts = |prefix: &&str| name.starts_with(*prefix);
    // Audio encoders have projectors as well.
    PREFIXES.iter().any(starts) && !name.starts_with("mm.a.")
}

/// How llama.cpp's converter stores a tensor in a file of `format`.
///
/// Norms, biases and the position table stay F32. So do the kernels of convolutions, except in F16 files. A tensor whose
/// rows are not whole blocks becomes F16.
pub(crate) fn format_of(tensor: &TowerTensor, format: Format) -> Format {
    let TowerTensor { name, shape } = tensor;
    let is_kernel = [".patch_embd.weight", ".patch_merger.weight"]
        .iter()
        .any(|kernel| name.contains(kernel));
    let row = shape.last().copied().unwrap_or(1);
    if shape.len() <= 1 || name == "v.position_embd.weight" {
        return Format::F32;
    }
    match format {
        Format::Bf16 | Format::Q8_0 if is_kernel => Format::F32,
        Format::Q8_0 if !row.is_multiple_of(format.block_len()) => Format::F16,
        Format::F32 | Format::F16 | Format::Bf16 | Format::Q8_0 => format,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use glm4v_config::Preset;

    use super::*;

    fn tensors(preset: Preset) -> Vec<TowerTensor> {
        let parameters = preset.vision().parameters();
        parameters.iter().flat_map(stored_as).collect()
    }

    fn all_names(preset: Preset) -> BTreeSet<String> {
        tensors(preset)
            .into_iter()
            .map(|tensor| tensor.name)
            .collect()
    }

    /// The published F16 file of GLM-4.6V-Flash has 182 tensors.
    #[test]
    fn the_published_file_has_182_tensors() {
        let names = all_names(Preset::Glm46VFlash);
        assert_eq!(names.len(), 182);
        for name in [
            "v.patch_embd.weight.1",
            "v.norm_embd.weight",
            "mm.post_norm.bias",
        ] {
            assert!(names.contains(name), "{name}");
        }
        assert!(names.iter().all(|name| is_vision(name)));
    }

    #[test]
    fn glm_ocr_has_head_norms_and_biases() {
        let names = all_names(Preset::GlmOcr);
        for name in [
            "v.blk.23.attn_q_norm.weight",
            "v.blk.0.ffn_down.bias",
            "v.blk.7.attn_out.bias",
        ] {
            assert!(names.contains(name), "{name}");
        }
        assert!(!names.contains("v.position_embd.weight"));
    }

    #[test]
    fn norms_biases_positions_and_kernels_stay_wide() {
        let format = |name: &str, format| {
            let all = tensors(Preset::Glm46VFlash);
            let tensor = all.iter().find(|tensor| tensor.name == name).unwrap();
            format_of(tensor, format)
        };
        for wide in [
            "v.norm_embd.weight",
            "v.position_embd.weight",
            "v.patch_embd.bias",
        ] {
            assert!(
                Format::ALL
                    .iter()
                    .all(|&all| format(wide, all) == Format::F32)
            );
        }
        for kernel in ["v.patch_embd.weight.1", "mm.patch_merger.weight"] {
            assert_eq!(format(kernel, Format::Q8_0), Format::F32);
            assert_eq!(format(kernel, Format::Bf16), Format::F32);
            assert_eq!(format(kernel, Format::F16), Format::F16);
        }
        assert_eq!(
            format("v.blk.0.attn_qkv.weight", Format::Q8_0),
            Format::Q8_0
        );
        let odd = TowerTensor {
            name: "mm.up.weight".into(),
            shape: vec![64, 48],
        };
        assert_eq!(format_of(&odd, Format::Q8_0), Format::F16);
    }
}
