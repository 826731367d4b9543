// Prints the embeddings that llama.cpp computes from normalised pixels: MMPROJ WIDTH HEIGHT < f32 [height, width, 3] > f32 [tokens, width]
#include "clip.h"
#include "clip-impl.h"

#include <cstdio>
#include <cstdlib>
#include <vector>

int main(int argc, char ** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: %s MMPROJ WIDTH HEIGHT\n", argv[0]);
        return 2;
    }
    clip_context_params params = {};
    params.flash_attn_type  = CLIP_FLASH_ATTN_TYPE_DISABLED;
    params.image_min_tokens = -1;
    params.image_max_tokens = -1;
    clip_init_result loaded = clip_init(argv[1], params);
    if (!loaded.ctx_v) {
        return 1;
    }
    clip_image_f32_batch batch;
    batch.entries.emplace_back();
    clip_image_f32 & image = batch.entries[0];
    image.set_size({ atoi(argv[2]), atoi(argv[3]) }, false, false);
    std::vector<float> pixels(image.n_elements());
    if (fread(pixels.data(), sizeof(float), pixels.size(), stdin) != pixels.size()) {
        fprintf(stderr, "too few pixels\n");
        return 1;
    }
    image.cpy_buf(pixels);
    const size_t tokens = clip_n_output_tokens(loaded.ctx_v, &image);
    std::vector<float> embeddings(tokens * clip_n_mmproj_embd(loaded.ctx_v));
    if (!clip_image_batch_encode(loaded.ctx_v, 2, &batch, embeddings)) {
        return 1;
    }
    fwrite(embeddings.data(), sizeof(float), embeddings.size(), stdout);
    clip_free(loaded.ctx_v);
    return 0;
}
