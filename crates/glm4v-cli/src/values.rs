//! Values of command-line options, parsed.

use std::num::NonZero;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use glm4v::config::ConfigError;
use glm4v::model::AttentionMethod;
use glm4v::weights::{Encoding, ProcessorSource};
use glm4v::{AttentionQuery, ComputeType, Preset};

use crate::table;

/// The types that `init` writes.
const DTYPES: [(&str, Encoding); 3] = [
    ("f32", Encoding::F32),
    ("f16", Encoding::F16),
    ("bf16", Encoding::Bf16),
];

/// The encodings that `export` writes.
const STORED_TYPES: [(&str, Encoding); 4] = [
    ("f32", Encoding::F32),
    ("f16", Encoding::F16),
    ("bf16", Encoding::Bf16),
    ("q8_0", Encoding::Q8_0),
];

/// The parser of a floating-point type that is stored.
pub(crate) fn dtype() -> impl TypedValueParser<Value = Encoding> {
    named(DTYPES, |(name, _)| name).map(|(_, encoding)| encoding)
}

/// The parser of an encoding of stored weights.
pub(crate) fn stored_type() -> impl TypedValueParser<Value = Encoding> {
    named(STORED_TYPES, |(name, _)| name).map(|(_, encoding)| encoding)
}

/// The parser of a type that a tower computes in.
pub(crate) fn compute_type() -> impl TypedValueParser<Value = ComputeType> {
    let values = ComputeType::NAMED.map(|dtype| {
        let value = PossibleValue::new(dtype.name());
        match dtype {
            ComputeType::Float(_) => value,
            ComputeType::Int8 => value.help("8-bit integers with scales, on the device flex only"),
        }
    });
    PossibleValuesParser::new(values).try_map(|name| name.parse::<ComputeType>())
}

/// How a GPU computes attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Attention {
    /// The method that is known to be exact on the device (docs/parity.md)
    Auto,
    /// The method of the backend; fused if the program is built with autotune, where it is wrong on wgpu
    Backend,
    /// Two matrix products with a softmax in f32 between them
    Eager,
}

impl Attention {
    /// The requested method; `None` leaves the choice to the encoder.
    pub(crate) fn method(self) -> Option<AttentionMethod> {
        match self {
            Self::Auto => None,
            Self::Backend => Some(AttentionMethod::Backend),
            Self::Eager => Some(AttentionMethod::Eager),
        }
    }
}

/// What a command does with an input that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnError {
    /// Report it, and go on with the others
    Skip,
    /// Stop at the first one
    Stop,
}

/// A format of an output file. A new format needs a variant here and an arm in `output.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    Safetensors,
    Npy,
    Json,
}

impl OutputFormat {
    /// All formats: those of embeddings.
    pub(crate) const ALL: [Self; 3] = [Self::Safetensors, Self::Npy, Self::Json];
    /// The formats of patch rows.
    pub(crate) const PATCHES: [Self; 1] = [Self::Safetensors];

    pub(crate) fn extension(self) -> &'static str {
        match self {
            Self::Safetensors => ".safetensors",
            Self::Npy => ".npy",
            Self::Json => ".json",
        }
    }

    /// The content of a file that `encode` writes, for its help.
    pub(crate) fn content(self) -> &'static str {
        match self {
            Self::Safetensors => {
                "embeddings f32 [tokens, out_hidden_size], grid_thw i64 [inputs, 3]; with videos also
                videos i64 [videos, 2] (index of the input, number of sampled frames), frames_indices i64
                (the sampled frames), timestamps f64 (the seconds that the prompt names, one for each of
                the t temporal patches)"
            }
            Self::Npy => "embeddings f32 [tokens, out_hidden_size]",
            Self::Json => {
                r#"{"shape": [tokens, width], "grid_thw": [[t, h, w], …], "videos": […], "embeddings": [[…], …]}"#
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutputFile {
    pub(crate) path: PathBuf,
    pub(crate) format: OutputFormat,
}

impl OutputFile {
    /// The file at `path`, in the format that its name ends in.
    pub(crate) fn new(path: PathBuf, formats: &[OutputFormat]) -> Result<Self, String> {
        let Some(&format) = formats
            .iter()
            .find(|format| has_extension(&path, format.extension()))
        else {
            let extensions: Vec<_> = formats.iter().map(|format| format.extension()).collect();
            return Err(format!("the name must end in {}", extensions.join(" or ")));
        };
        Ok(Self { path, format })
    }
}

/// Where `encode` writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OutputTarget {
    /// One file for all inputs.
    File(OutputFile),
    /// A directory, to which a name that ends in `/` points as well.
    Directory(PathBuf),
}

impl OutputTarget {
    pub(crate) fn new(path: PathBuf) -> Result<Self, String> {
        let ends_in_separator = path.to_string_lossy().ends_with(std::path::is_separator);
        if ends_in_separator {
            return Ok(Self::Directory(path));
        }
        match OutputFile::new(path.clone(), &OutputFormat::ALL) {
            Ok(file) => Ok(Self::File(file)),
            Err(_) if path.is_dir() => Ok(Self::Directory(path)),
            Err(error) => Err(format!("{error}, or in / for a directory")),
        }
    }
}

/// The parser of a value that has a name.
pub(crate) fn named<T: Clone + Send + Sync + 'static>(
    all: impl IntoIterator<Item = T>,
    name: impl Fn(&T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    let all: Vec<(&'static str, T)> = all.into_iter().map(|value| (name(&value), value)).collect();
    let names: Vec<&'static str> = all.iter().map(|(name, _)| *name).collect();
    PossibleValuesParser::new(names).try_map(move |name| {
        let found = all.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone()).ok_or("it is unknown")
    })
}

/// A format of a file that contains a tower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TowerFormat {
    Gguf,
    Safetensors,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TowerFile {
    pub(crate) path: PathBuf,
    pub(crate) format: TowerFormat,
}

impl TowerFile {
    /// The file at `path`, in the format that its name ends in.
    pub(crate) fn new(path: PathBuf) -> Result<Self, &'static str> {
        let format = if has_extension(&path, ".gguf") {
            TowerFormat::Gguf
        } else if has_extension(&path, ".safetensors") {
            TowerFormat::Safetensors
        } else {
            return Err("the name must end in .gguf or .safetensors");
        };
        Ok(Self { path, format })
    }
}

/// A source of processor settings, as `--processor` names it.
pub(crate) fn processor_source(text: &str) -> Result<ProcessorSource, String> {
    text.parse()
        .map_err(|error: ConfigError| format!("it is not a directory, and {error}"))
}

pub(crate) fn png_file(path: PathBuf) -> Result<PathBuf, &'static str> {
    match has_extension(&path, ".png") {
        true => Ok(path),
        false => Err("the name must end in .png"),
    }
}

/// Whether the name of `path` ends in `extension`, in upper or lower case.
fn has_extension(path: &Path, extension: &str) -> bool {
    let found = path.extension().unwrap_or_default();
    found.eq_ignore_ascii_case(&extension[1..])
}

/// A number greater than 0.
pub(crate) fn positive(text: &str) -> Result<f64, &'static str> {
    let number = text.parse().ok();
    let number = number.filter(|&number: &f64| number > 0.0 && number.is_finite());
    number.ok_or("it must be a number greater than 0")
}

/// A number of threads.
pub(crate) fn threads(text: &str) -> Result<NonZero<usize>, String> {
    let threads = text.parse().ok();
    let threads = threads.filter(|threads: &NonZero<usize>| threads.get() <= MOST_THREADS);
    threads.ok_or_else(|| format!("it must be a number from 1 to {MOST_THREADS}"))
}

/// More threads only take memory.
const MOST_THREADS: usize = 1024;

/// A number of bytes, as in `1500000000`, `900M` or `1.5GiB`. A K is 1024 bytes.
pub(crate) fn memory(text: &str) -> Result<u64, &'static str> {
    let end = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let unit = text[end.len()..].to_ascii_uppercase();
    let unit = unit.trim_end_matches('B').trim_end_matches('I');
    let power = ["", "K", "M", "G", "T"]
        .iter()
        .position(|known| *known == unit);
    let number: f64 = end.trim().parse().map_err(|_| MEMORY)?;
    let bytes = number * 1024_f64.powi(power.ok_or(MEMORY)? as i32);
    match bytes >= 1.0 && bytes < u64::MAX as f64 {
        true => Ok(bytes as u64),
        false => Err(MEMORY),
    }
}

const MEMORY: &str = "it must be a number of bytes greater than 0, as in 900M or 4G";

/// A number from 0 to 1.
pub(crate) fn fraction(text: &str) -> Result<f32, &'static str> {
    let number = text.parse().ok();
    let number = number.filter(|number| (0.0..=1.0).contains(number));
    number.ok_or("it must be a number from 0 to 1")
}

/// The block and the patch whose attention is requested, as in `23:0:0:8:5`.
pub(crate) fn attention_query(text: &str) -> Result<AttentionQuery, &'static str> {
    let numbers: Option<Vec<usize>> = text.split(':').map(|part| part.parse().ok()).collect();
    let Some(&[block, item, t, y, x]) = numbers.as_deref() else {
        return Err("it must be five numbers: block:input:frame:row:column");
    };
    Ok(AttentionQuery {
        block,
        item,
        t,
        y,
        x,
    })
}

/// A query as [`attention_query`] reads it.
pub(crate) fn attention_name(query: &AttentionQuery) -> String {
    let AttentionQuery {
        block,
        item,
        t,
        y,
        x,
    } = query;
    format!("{block}:{item}:{t}:{y}:{x}")
}

/// The parser of a preset's name. The help lists the names with the size of each model.
pub(crate) fn preset() -> impl TypedValueParser<Value = Preset> {
    let values = Preset::ALL.map(|preset| {
        let config = preset.vision();
        PossibleValue::new(preset.name()).help(format!(
            "{} of width {}, {:.1} million parameters",
            table::count(config.depth, "block"),
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
    fn the_end_of_the_name_selects_the_format() {
        let format =
            |name: &str| OutputFile::new(name.into(), &OutputFormat::ALL).map(|file| file.format);
        assert_eq!(format("a/b.safetensors"), Ok(OutputFormat::Safetensors));
        assert_eq!(format("b.tar.NPY"), Ok(OutputFormat::Npy));
        assert_eq!(format("b.json"), Ok(OutputFormat::Json));
        for name in ["b", "b.txt", "json", ".npy", "b.json/", "b.json."] {
            assert_eq!(format(name).is_err(), name != "b.json/", "{name}");
        }
        assert!(OutputFile::new("b.npy".into(), &OutputFormat::PATCHES).is_err());
        assert!(png_file("b.jpg".into()).is_err());
        let tower = |name: &str| TowerFile::new(name.into()).map(|file| file.format);
        assert_eq!(tower("mmproj.GGUF"), Ok(TowerFormat::Gguf));
        assert_eq!(tower("a/tower.safetensors"), Ok(TowerFormat::Safetensors));
        assert!(tower("tower.bin").is_err());
    }

    #[test]
    fn attention_takes_five_numbers() {
        let query = attention_query("23:0:1:8:5").unwrap();
        assert_eq!((query.block, query.t, query.y, query.x), (23, 1, 8, 5));
        assert_eq!(attention_name(&query), "23:0:1:8:5");
        for text in ["", "1:2:3:4", "1:2:3:4:5:6", "1:2:3:4:-5", "a:0:0:0:0"] {
            assert!(attention_query(text).is_err(), "{text}");
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
    fn threads_have_a_limit() {
        assert_eq!(threads("1024").map(NonZero::get), Ok(1024));
        for text in ["0", "1025", "-1", "all", "99999999999999999999"] {
            assert!(threads(text).is_err(), "{text}");
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
    fn a_fraction_is_from_0_to_1() {
        assert_eq!(fraction("0.25"), Ok(0.25));
        for text in ["-0.1", "1.01", "NaN", "all"] {
            assert!(fraction(text).is_err(), "{text}");
        }
    }
}
