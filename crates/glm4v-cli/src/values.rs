//! Values of the command line that are more than a word.

use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use clap::builder::{PathBufValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use glm4v::{AttentionMethod, AttentionQuery, FloatDType, Preset, StoredDtype};

use crate::layout;

/// A floating-point type. Its variants stay undocumented, as clap would print a paragraph for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dtype {
    F32,
    F16,
    Bf16,
}

impl From<Dtype> for FloatDType {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::Bf16 => Self::BF16,
        }
    }
}

impl From<Dtype> for StoredDtype {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::Bf16 => Self::BF16,
        }
    }
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        StoredDtype::from(*self).fmt(f)
    }
}

/// How a GPU attends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attention {
    /// What has been shown to be right on the device (docs/parity.md)
    Auto,
    /// The backend's own: fused, where the program is built with autotune, and found to be wrong there on wgpu
    Backend,
    /// Products, and between them the softmax in f32
    Plain,
}

impl Attention {
    /// What is asked for, if anything is.
    pub(crate) fn method(self) -> Option<AttentionMethod> {
        match self {
            Self::Auto => None,
            Self::Backend => Some(AttentionMethod::Backend),
            Self::Plain => Some(AttentionMethod::Plain),
        }
    }
}

/// How tensors are laid down in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Named tensors.
    Safetensors,
    /// One array of numpy.
    Npy,
    /// Text.
    Json,
}

/// A file to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutputFile {
    /// Its name.
    pub(crate) path: PathBuf,
    /// Its format, by the ending of the name.
    pub(crate) format: Format,
}

/// A file for embeddings.
pub(crate) fn embeddings_file(path: PathBuf) -> Result<OutputFile, &'static str> {
    let format = match ending(&path).as_str() {
        "safetensors" => Format::Safetensors,
        "npy" => Format::Npy,
        "json" => Format::Json,
        _ => return Err("expected a name that ends in .safetensors, .npy or .json"),
    };
    Ok(OutputFile { path, format })
}

/// A file for patch rows.
pub(crate) fn patches_file(path: PathBuf) -> Result<OutputFile, &'static str> {
    match ending(&path).as_str() {
        "safetensors" => Ok(OutputFile {
            path,
            format: Format::Safetensors,
        }),
        _ => Err("expected a name that ends in .safetensors"),
    }
}

/// A file for a picture.
pub(crate) fn picture_file(path: PathBuf) -> Result<PathBuf, &'static str> {
    match ending(&path).as_str() {
        "png" => Ok(path),
        _ => Err("expected a name that ends in .png"),
    }
}

/// A file's name, to be parsed further.
pub(crate) fn path() -> PathBufValueParser {
    PathBufValueParser::new()
}

/// A number greater than 0.
pub(crate) fn positive(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok();
    let number = number.filter(|&number: &f64| number > 0.0 && number.is_finite());
    number.ok_or("expected a number greater than 0")
}

/// A number of bytes, as in `1500000000`, `900M` or `1.5GiB`; units are of 1024.
pub(crate) fn memory(text: &str) -> Result<u64, &'static str> {
    let end = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = text[end.len()..].to_ascii_uppercase();
    let power = match unit.trim_end_matches('B').trim_end_matches('I') {
        "" => 0,
        "K" => 1,
        "M" => 2,
        "G" => 3,
        "T" => 4,
        _ => return Err(MEMORY),
    };
    let number: f64 = end.trim().parse().map_err(|_| MEMORY)?;
    let bytes = number * 1024_f64.powi(power);
    match bytes >= 1.0 && bytes < u64::MAX as f64 {
        true => Ok(bytes as u64),
        false => Err(MEMORY),
    }
}

const MEMORY: &str = "expected a number of bytes greater than 0, as in 900M or 4G";

/// A number from 0 to 1.
pub(crate) fn share(text: &str) -> Result<f32, &'static str> {
    let share = text
        .parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share));
    share.ok_or("expected a number from 0 to 1")
}

/// A patch whose attention is wanted, as in `23:0:0:8:5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AttentionAt(pub(crate) AttentionQuery);

impl FromStr for AttentionAt {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers: Option<Vec<usize>> = text.split(':').map(|part| part.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[block, item, t, y, x]) => Ok(Self(AttentionQuery {
                block,
                item,
                t,
                y,
                x,
            })),
            _ => Err("expected five numbers: block:input:frame:row:column"),
        }
    }
}

impl std::fmt::Display for AttentionAt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let AttentionQuery {
            block,
            item,
            t,
            y,
            x,
        } = self.0;
        write!(f, "{block}:{item}:{t}:{y}:{x}")
    }
}

fn ending(path: &std::path::Path) -> String {
    let ending = path.extension().unwrap_or_default();
    ending.to_string_lossy().to_lowercase()
}

/// A preset by its name; the help lists the names and what they stand for.
pub(crate) fn preset() -> impl TypedValueParser<Value = Preset> {
    let values = Preset::ALL.map(|preset| {
        let config = preset.vision();
        PossibleValue::new(preset.name()).help(format!(
            "{} of width {}, {:.1} million parameters",
            layout::count(config.depth, "block"),
            config.hidden_size,
            config.num_parameters() as f64 / 1e6
        ))
    });
    PossibleValuesParser::new(values).try_map(|name| name.parse::<Preset>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_decides() {
        let format = |name: &str| embeddings_file(name.into()).map(|file| file.format);
        assert_eq!(format("a/b.safetensors"), Ok(Format::Safetensors));
        assert_eq!(format("b.tar.NPY"), Ok(Format::Npy));
        assert_eq!(format("b.json"), Ok(Format::Json));
        for name in ["b", "b.txt", "json", ".npy", "b.json/", "b.json."] {
            assert_eq!(format(name).is_err(), name != "b.json/", "{name}");
        }
        assert!(patches_file("b.npy".into()).is_err());
        assert!(picture_file("b.jpg".into()).is_err());
    }

    #[test]
    fn attention_is_asked_for_by_five_numbers() {
        let at: AttentionAt = "23:0:1:8:5".parse().unwrap();
        assert_eq!((at.0.block, at.0.t, at.0.y, at.0.x), (23, 1, 8, 5));
        assert_eq!(at.to_string(), "23:0:1:8:5");
        for text in ["", "1:2:3:4", "1:2:3:4:5:6", "1:2:3:4:-5", "a:0:0:0:0"] {
            assert!(text.parse::<AttentionAt>().is_err(), "{text}");
        }
    }

    #[test]
    fn rates_are_positive() {
        assert_eq!(positive("0.5"), Ok(0.5));
        for text in ["0", "-1", "inf", "NaN", "30/1"] {
            assert!(positive(text).is_err(), "{text}");
        }
    }

    #[test]
    fn memory_has_units() {
        assert_eq!(memory("4G"), Ok(4 << 30));
        assert_eq!(memory("1.5GiB"), Ok(3 << 29));
        assert_eq!(memory("900 mb"), Ok(900 << 20));
        assert_eq!(memory("1500000000"), Ok(1_500_000_000));
        for text in ["0", "-1G", "G", "4X", "inf", "1e40", "NaN"] {
            assert!(memory(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_share_is_from_0_to_1() {
        assert_eq!(share("0.25"), Ok(0.25));
        for text in ["-0.1", "1.01", "NaN", "all"] {
            assert!(share(text).is_err(), "{text}");
        }
    }
}
