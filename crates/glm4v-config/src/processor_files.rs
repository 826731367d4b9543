use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::{
    ConfigError, ImageProcessorConfig, ModelType, ProcessorClass, VideoProcessorConfig, json,
};

/// The files of a checkpoint's processors, in both layouts.
///
/// transformers 5 saves one file, `processor_config.json`, with the objects `image_processor` and `video_processor`. Older
/// versions save `preprocessor_config.json` and `video_preprocessor_config.json`. The objects of the first file win. A
/// checkpoint without a configuration for videos uses the one for images.
///
/// ```
/// use glm4v_config::ProcessorFiles;
///
/// let files = ProcessorFiles::default()
///     .with("processor_config.json", r#"{"image_processor": {"patch_size": 16}}"#)
///     .with("preprocessor_config.json", r#"{"patch_size": 14}"#);
/// assert_eq!(files.image()?.patch_size, 16);
/// # Ok::<(), glm4v_config::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ProcessorFiles {
    /// The directory of the files; empty for texts.
    dir: PathBuf,
    texts: Vec<(&'static str, String)>,
    /// The names of the texts that win over `processor_config.json`.
    first: Vec<&'static str>,
    /// The class of files that do not name their class.
    class: ProcessorClass,
}

/// Which processor a file or an object configures.
#[derive(Clone, Copy)]
enum Kind {
    Image,
    Video,
}

impl ProcessorFiles {
    /// Both processors, as transformers 5 saves them.
    pub const NESTED: &'static str = "processor_config.json";
    /// The image processor.
    pub const IMAGE: &'static str = "preprocessor_config.json";
    /// The video processor.
    pub const VIDEO: &'static str = "video_preprocessor_config.json";
    /// The names of all files. A checkpoint need not have all of them.
    pub const NAMES: [&'static str; 3] = [Self::NESTED, Self::IMAGE, Self::VIDEO];

    /// Reads the files that are in `dir`, and the model of its `config.json`.
    ///
    /// # Errors
    /// [`ConfigError::Io`] for a file that is there and cannot be read.
    pub fn from_dir(dir: impl AsRef<Path>) -> Result<Self, ConfigError> {
        let dir = dir.as_ref();
        let mut files = Self {
            dir: dir.to_owned(),
            ..Self::default()
        };
        if let Ok(config) = std::fs::read_to_string(dir.join("config.json")) {
            files = files.of_model(&config);
        }
        for name in Self::NAMES {
            let path = dir.join(name);
            match std::fs::read_to_string(&path) {
                Ok(text) => files = files.with(name, text),
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(source) => return Err(ConfigError::Io { path, source }),
            }
        }
        Ok(files)
    }

    /// Adds the text of the file `name`, which is one of [`ProcessorFiles::NAMES`].
    #[must_use]
    pub fn with(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.texts.push((name, text.into()));
        self
    }

    /// Adds the text of a file that the caller has in place of the checkpoint's: it wins over [`ProcessorFiles::NESTED`].
    /// `name` is one of [`ProcessorFiles::NAMES`].
    ///
    /// ```
    /// use glm4v_config::ProcessorFiles;
    ///
    /// let files = ProcessorFiles::default()
    ///     .with("processor_config.json", r#"{"image_processor": {"patch_size": 16}}"#)
    ///     .replace("preprocessor_config.json", r#"{"patch_size": 14}"#);
    /// assert_eq!(files.image()?.patch_size, 14);
    /// # Ok::<(), glm4v_config::ConfigError>(())
    /// ```
    #[must_use]
    pub fn replace(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.texts.retain(|(found, _)| *found != name);
        self.first.push(name);
        self.with(name, text)
    }

    /// Takes the model from the text of a `config.json`. It decides the class of files that do not name their class. A text
    /// without a known model changes nothing.
    #[must_use]
    pub fn of_model(mut self, config: &str) -> Self {
        let config = json::object(config).unwrap_or_default();
        let name = config.get("model_type").and_then(Value::as_str);
        let model = name.and_then(|name| {
            ModelType::ALL
                .into_iter()
                .find(|model| model.name() == name)
        });
        self.class = model.map_or(self.class, ProcessorClass::from);
        self
    }

    /// The image processor's configuration.
    ///
    /// # Errors
    /// [`ConfigError::NoImageProcessor`] where no file has it. [`ConfigError::File`] for a file that is refused.
    pub fn image(&self) -> Result<ImageProcessorConfig, ConfigError> {
        let nested = (Self::NESTED, Kind::Image);
        let image = (Self::IMAGE, Kind::Image);
        let places = match self.is_first(Self::IMAGE) {
            true => [image, nested],
            false => [nested, image],
        };
        self.first_of(places, ImageProcessorConfig::read)
    }

    /// The video processor's configuration.
    ///
    /// # Errors
    /// Those of [`ProcessorFiles::image`].
    pub fn video(&self) -> Result<VideoProcessorConfig, ConfigError> {
        let nested = (Self::NESTED, Kind::Video);
        let video = (Self::VIDEO, Kind::Video);
        let [first, second] = match self.is_first(Self::VIDEO) {
            true => [video, nested],
            false => [nested, video],
        };
        let image = (Self::IMAGE, Kind::Image);
        let places = [first, second, image, (Self::NESTED, Kind::Image)];
        self.first_of(places, VideoProcessorConfig::read)
    }

    /// Whether the file `name` wins over `processor_config.json`.
    fn is_first(&self, name: &str) -> bool {
        self.first.contains(&name) && !self.first.contains(&Self::NESTED)
    }

    /// Reads the configuration of the first place that exists.
    fn first_of<const N: usize, T>(
        &self,
        places: [(&'static str, Kind); N],
        read: impl Fn(&Value, &str, ProcessorClass) -> Result<T, ConfigError>,
    ) -> Result<T, ConfigError> {
        for (name, kind) in places {
            let Some((_, text)) = self.texts.iter().find(|(found, _)| *found == name) else {
                continue;
            };
            let parsed = object(name, kind, text).and_then(|place| {
                let read = |(given, parent): (Value, &str)| read(&given, parent, self.class);
                place.map(read).transpose()
            });
            if let Some(config) = parsed.map_err(|error| error.in_file(&self.dir.join(name)))? {
                return Ok(config);
            }
        }
        Err(ConfigError::NoImageProcessor {
            dir: self.dir.clone(),
        })
    }
}

/// The object of a processor in the file `name`, and the name of its field. `None` where the file does not have it:
/// `processor_config.json` of older versions has no processors, and null counts as absent.
fn object(
    name: &str,
    kind: Kind,
    text: &str,
) -> Result<Option<(Value, &'static str)>, ConfigError> {
    let mut file = json::object(text)?;
    if name != ProcessorFiles::NESTED {
        return Ok(Some((file, "")));
    }
    let field = match kind {
        Kind::Image => "image_processor",
        Kind::Video => "video_processor",
    };
    let found = file.get_mut(field).map(Value::take);
    Ok(found
        .filter(|found| !found.is_null())
        .map(|found| (found, field)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ProcessorClass, SamplingRule};

    fn nested(image: &str, video: &str) -> ProcessorFiles {
        let text = format!(r#"{{"image_processor": {image}, "video_processor": {video}}}"#);
        ProcessorFiles::default().with(ProcessorFiles::NESTED, text)
    }

    fn patch_sizes(files: &ProcessorFiles) -> (usize, usize) {
        let (image, video) = (files.image().unwrap(), files.video().unwrap());
        (image.patch_size, video.frames.patch_size)
    }

    #[test]
    fn the_nested_file_wins() {
        let old = |files: ProcessorFiles| {
            files
                .with(ProcessorFiles::IMAGE, r#"{"patch_size": 3}"#)
                .with(ProcessorFiles::VIDEO, r#"{"patch_size": 4}"#)
        };
        let (image, video) = (r#"{"patch_size": 1}"#, r#"{"patch_size": 2}"#);
        assert_eq!(patch_sizes(&nested(image, video)), (1, 2));
        assert_eq!(patch_sizes(&old(nested(image, video))), (1, 2));
        assert_eq!(patch_sizes(&old(nested(image, "null"))), (1, 4));
        assert_eq!(patch_sizes(&old(nested("null", video))), (3, 2));
        let legacy = ProcessorFiles::default().with(
            ProcessorFiles::NESTED,
            r#"{"processor_class": "Glm4vProcessor"}"#,
        );
        assert_eq!(patch_sizes(&old(legacy)), (3, 4));
    }

    #[test]
    fn a_file_of_the_caller_wins_over_the_nested_file() {
        let both = || nested(r#"{"patch_size": 1}"#, r#"{"patch_size": 2}"#);
        let image =
            |files: ProcessorFiles| files.replace(ProcessorFiles::IMAGE, r#"{"patch_size": 3}"#);
        let video =
            |files: ProcessorFiles| files.replace(ProcessorFiles::VIDEO, r#"{"patch_size": 4}"#);
        assert_eq!(patch_sizes(&image(both())), (3, 2));
        assert_eq!(patch_sizes(&video(both())), (1, 4));
        assert_eq!(patch_sizes(&video(image(both()))), (3, 4));
        let alone = nested(r#"{"patch_size": 1}"#, "null");
        assert_eq!(patch_sizes(&image(alone.clone())), (3, 3));
        assert_eq!(patch_sizes(&video(alone)), (1, 4));
        let all = image(both()).replace(
            ProcessorFiles::NESTED,
            r#"{"image_processor": {"patch_size": 5}}"#,
        );
        assert_eq!(patch_sizes(&all), (5, 3));
    }

    #[test]
    fn without_a_configuration_for_videos_the_one_for_images_is_used() {
        let image = r#"{"image_processor_type": "Glm46VImageProcessor", "patch_size": 3,
            "size": {"shortest_edge": 5, "longest_edge": 6}}"#;
        let files = ProcessorFiles::default().with(ProcessorFiles::IMAGE, image);
        for files in [nested(image, "null"), files] {
            let video = files.video().unwrap();
            assert_eq!(video.frames, files.image().unwrap());
            assert_eq!(video.sampling.video_processor_type, SamplingRule::Glm46v);
        }
        let other = nested(r#"{"patch_size": 1}"#, "null").with(ProcessorFiles::IMAGE, image);
        assert_eq!(patch_sizes(&other), (1, 3));
        let newer = nested(
            r#"{"image_processor_type": "Glm5NextImageProcessor"}"#,
            "null",
        );
        let video = newer.video().unwrap();
        assert_eq!(
            video,
            VideoProcessorConfig::default_of(ProcessorClass::Glm5Next)
        );
    }

    #[test]
    fn without_a_class_the_model_decides() {
        let files = ProcessorFiles::default().with(ProcessorFiles::VIDEO, "{}");
        let rule = |files: ProcessorFiles| files.video().unwrap().sampling.video_processor_type;
        assert_eq!(rule(files.clone()), SamplingRule::Glm4v);
        assert_eq!(rule(files.clone().of_model("{")), SamplingRule::Glm4v);
        let files = files.of_model(r#"{"model_type": "glm46v", "x": NaN}"#);
        assert_eq!(rule(files), SamplingRule::Glm46v);
    }

    #[test]
    fn refusals_name_the_file_and_the_field() {
        let message = nested(r#"{"size": 5}"#, "[]")
            .image()
            .unwrap_err()
            .to_string();
        let start = "processor_config.json: field `image_processor.size`: ";
        assert!(message.starts_with(start), "{message}");
        let message = nested("{}", "[]").video().unwrap_err().to_string();
        let start = "processor_config.json: field `video_processor`: expected a JSON object";
        assert!(message.starts_with(start), "{message}");
        let nothing = ProcessorFiles::from_dir("no/such/dir").unwrap();
        let message = nothing.image().unwrap_err().to_string();
        assert!(message.starts_with("no/such/dir: ") && message.contains(ProcessorFiles::IMAGE));
    }
}
