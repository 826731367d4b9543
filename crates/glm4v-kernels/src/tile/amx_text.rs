//! What is said of AMX: in `glm4v devices`, for example.

use std::fmt;

use super::dot::Dot;
use super::tiles::Amx;

impl fmt::Display for Amx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::On if Dot::detected().uses_amx() => "AMX multiplies bf16 and int8",
            Self::On => "AMX multiplies bf16",
            Self::TurnedOff => "AMX is off because GLM4V_AMX is 0",
            Self::Missing => "this processor has no AMX",
            Self::NotSaved => "AMX is off because the system does not support it",
            Self::Denied => "AMX is off because the system refuses the memory for its tiles",
            Self::Wrong => "AMX is off because a test product was wrong",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `cargo xtask test-amx` names the status that it emulates.
    #[test]
    fn the_status_is_that_of_the_processor() {
        if let Ok(expected) = std::env::var("GLM4V_TEST_AMX") {
            let bytes = match Dot::detected().uses_amx() {
                true => "with int8",
                false => "without int8",
            };
            assert_eq!(format!("{:?} {bytes}", Amx::status()), expected);
        }
    }
}
