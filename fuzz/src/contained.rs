use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, Once, PoisonError};

/// Runs `check`. libFuzzer's own hook ends the process at every panic, also at those of decoders that become errors. Here only
/// a panic that nothing catches ends it.
pub fn contained(check: impl FnOnce()) {
    static LAST: Mutex<String> = Mutex::new(String::new());
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
            *last = panic.to_string();
        }));
    });
    if catch_unwind(AssertUnwindSafe(check)).is_err() {
        eprintln!("{}", LAST.lock().unwrap_or_else(PoisonError::into_inner));
        std::process::abort();
    }
}
