use crate::{ConfigError, VisionConfig};

/// Larger sizes are refused before any multiplication or allocation.
const MAX_SIZE: usize = 1 << 20;
/// Larger depths are refused, because every block adds about ten entries to the list of parameters.
const MAX_DEPTH: usize = 1 << 10;
/// Larger towers are refused. This is about a hundred times the largest known tower.
const MAX_PARAMETERS: u64 = 1 << 37;
/// The device counts the entries of the position table in 32 bits.
const MAX_POSITION_SIDE: usize = 1 << 15;

impl VisionConfig {
    /// Checks that all values are supported.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] for the first field that has an unsupported value.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, size) in self.sizes() {
            let max = if field == "depth" {
                MAX_DEPTH
            } else {
                MAX_SIZE
            };
            if size == 0 || size > max {
                let expected = format!("a size from 1 to {max}");
                return Err(ConfigError::invalid(field, expected, size));
            }
        }
        divides("hidden_size", self.hidden_size, "num_heads", self.num_heads)?;
        if self.position_side() == 0 {
            let expected = format!("at least patch_size ({})", self.patch_size);
            return Err(ConfigError::invalid(
                "image_size",
                expected,
                self.image_size,
            ));
        }
        if !self.head_dim().is_multiple_of(4) {
            return Err(ConfigError::invalid(
                "num_heads",
                "hidden_size / num_heads to be a multiple of 4 (two rotated axes)",
                self.head_dim(),
            ));
        }
        check_positive("rms_norm_eps", self.rms_norm_eps)?;
        self.validate_limit()?;
        self.validate_rope()?;
        self.validate_total()
    }

    fn sizes(&self) -> [(&'static str, usize); 11] {
        let projection_size = self.projection_intermediate_size.unwrap_or(1);
        [
            ("depth", self.depth),
            ("hidden_size", self.hidden_size),
            ("num_heads", self.num_heads),
            ("in_channels", self.in_channels),
            ("image_size", self.image_size),
            ("patch_size", self.patch_size),
            ("temporal_patch_size", self.temporal_patch_size),
            ("spatial_merge_size", self.spatial_merge_size),
            ("out_hidden_size", self.out_hidden_size),
            ("intermediate_size", self.intermediate_size),
            ("projection_intermediate_size", projection_size),
        ]
    }

    fn validate_total(&self) -> Result<(), ConfigError> {
        if self.position_side() > MAX_POSITION_SIDE {
            let expected = format!("at most {MAX_POSITION_SIDE} patches a side");
            return Err(ConfigError::invalid(
                "image_size",
                expected,
                self.image_size,
            ));
        }
        let total = self.num_parameters();
        if total > MAX_PARAMETERS {
            let expected = format!("at most {MAX_PARAMETERS} parameters in all");
            return Err(ConfigError::invalid("hidden_size", expected, total));
        }
        Ok(())
    }

    fn validate_rope(&self) -> Result<(), ConfigError> {
        let Some(rope) = &self.rope_parameters else {
            return Ok(());
        };
        // Older files say "default". transformers reads it as "axial".
        if !["axial", "default"].contains(&&rope.rope_type[..]) {
            return Err(ConfigError::invalid(
                "rope_type",
                "`axial`",
                &rope.rope_type,
            ));
        }
        check_positive("rope_theta", rope.rope_theta)
    }

    /// An infinite limit is valid: it changes no value.
    fn validate_limit(&self) -> Result<(), ConfigError> {
        match self.swiglu_limit {
            Some(limit) if limit.is_nan() || limit <= 0.0 => Err(ConfigError::invalid(
                "swiglu_limit",
                "a positive number",
                limit,
            )),
            Some(_) | None => Ok(()),
        }
    }
}

fn divides(
    field: &'static str,
    size: usize,
    divisor_field: &str,
    divisor: usize,
) -> Result<(), ConfigError> {
    if size.is_multiple_of(divisor) {
        return Ok(());
    }
    let expected = format!("a multiple of {divisor_field} ({divisor})");
    Err(ConfigError::invalid(field, expected, size))
}

pub(crate) fn check_positive(field: &'static str, value: f64) -> Result<(), ConfigError> {
    if value > 0.0 && value.is_finite() {
        return Ok(());
    }
    Err(ConfigError::invalid(field, "a positive number", value))
}
