use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::PreprocessError;

/// Runs a decoder, and turns a panic into an error.
///
/// libjpeg's binding reports every error by a silent panic, and image-webp 0.2.4 panics at some damaged animations.
pub(crate) fn contain<T>(
    format: &'static str,
    decoder: impl FnOnce() -> Result<T, PreprocessError>,
) -> Result<T, PreprocessError> {
    // A decoder shares nothing with its caller, so it leaves nothing half done behind.
    catch_unwind(AssertUnwindSafe(decoder))
        .unwrap_or_else(|panic| Err(PreprocessError::decode(format, message(&*panic))))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the decoder failed").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        let error = contain::<()>("WebP", || std::panic::resume_unwind(Box::new("oh")));
        assert_eq!(
            error.unwrap_err().to_string(),
            "the WebP image is damaged, cut off or of an unsupported kind: oh"
        );
        assert_eq!(contain("WebP", || Ok(3)).unwrap(), 3);
    }
}
