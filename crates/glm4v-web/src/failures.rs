//! Failures of the GPU. They are not part of any `Result`: burn logs them, or WebGPU calls the device's handlers. Both end
//! here.

use std::cell::RefCell;

use js_sys::Function;
use wasm_bindgen::prelude::*;

thread_local! {
    static FAILURES: RefCell<Failures> = RefCell::default();
}

#[derive(Default)]
struct Failures {
    /// The first failure since the last [`check`].
    first: Option<String>,
    callback: Option<Function>,
}

struct Log;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn warn(message: &str);
}

/// Reports the errors that burn logs as failures.
pub(crate) fn log() {
    if log::set_logger(&Log).is_ok() {
        log::set_max_level(log::LevelFilter::Warn);
    }
}

/// Calls `callback` with the message of every later failure.
pub(crate) fn call(callback: Function) {
    FAILURES.with_borrow_mut(|failures| failures.callback = Some(callback));
}

pub(crate) fn report(message: &str) {
    let callback = FAILURES.with_borrow_mut(|failures| {
        failures.first.get_or_insert_with(|| message.to_owned());
        failures.callback.clone()
    });
    if let Some(callback) = callback {
        // Nobody can handle an exception of the callback.
        let _ = callback.call1(&JsValue::NULL, &message.into());
    }
}

/// Returns `result`, or the failure since the last check. After a failure the result's values are not valid.
pub(crate) fn check<T>(result: T) -> Result<T, JsError> {
    match FAILURES.with_borrow_mut(|failures| failures.first.take()) {
        Some(message) => Err(JsError::new(&format!("the device failed: {message}"))),
        None => Ok(result),
    }
}

impl log::Log for Log {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn
    }

    fn log(&self, record: &log::Record<'_>) {
        match record.level() {
            log::Level::Error => report(&record.args().to_string()),
            log::Level::Warn => warn(&record.args().to_string()),
            log::Level::Info | log::Level::Debug | log::Level::Trace => (),
        }
    }

    fn flush(&self) {}
}
