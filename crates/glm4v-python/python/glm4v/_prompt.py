from __future__ import annotations

import numpy as np

from glm4v import _native

PLACEHOLDER = "<|image|>"
"""The placeholder of one embedding in a prompt, for images and for videos. Its token is `image_token_id` of `config.json`."""


def scatter(inputs_embeds: np.ndarray, input_ids: np.ndarray, embeddings: np.ndarray, placeholder: int) -> np.ndarray:
    """Puts the rows of `embeddings`, in order, where `input_ids` has `placeholder`, as `masked_scatter` of torch does.

    `inputs_embeds` is float32 `[batch, sequence, hidden_size]`, `input_ids` is `[batch, sequence]`, and `embeddings` is
    float32 `[tokens, hidden_size]`. The result is a new array of the shape of `inputs_embeds`. The embeddings of several
    items are `numpy.concatenate([item.embeddings for item in items])`.

    Raises:
        InputError: if there is not one placeholder for each embedding, or if the shapes do not fit together.
    """
    ids = np.ascontiguousarray(input_ids, np.int64).ravel()
    return _native.scatter(
        np.asarray(inputs_embeds, np.float32), ids, placeholder, np.asarray(embeddings, np.float32)
    )
