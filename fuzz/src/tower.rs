use glm4v_config::VisionConfig;

/// A tower of one block whose tensors have a few bytes each.
pub fn tiny() -> VisionConfig {
    VisionConfig {
        depth: 1,
        hidden_size: 4,
        num_heads: 1,
        image_size: 2,
        patch_size: 1,
        temporal_patch_size: 1,
        out_hidden_size: 4,
        intermediate_size: 4,
        ..VisionConfig::default()
    }
}

/// Its `config.json`.
pub fn tiny_json() -> String {
    let vision = serde_json::to_value(tiny()).expect("a configuration is JSON");
    serde_json::json!({"model_type": "glm4v", "vision_config": vision}).to_string()
}
