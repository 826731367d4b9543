// Prints the embeddings that llama.cpp computes from normalised pixels, for each image of one size:
//     MMPROJ WIDTH HEIGHT [THREADS [flash]] < f32 [images, height, width, 3] > f32 [images, tokens, width]
// `flash` turns flash attention on, as programs of llama.cpp do. `--version` prints the version of ggml.
#include "clip.h"
#include "clip-impl.h"
#include "ggml.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

int main(int argc, char ** argv) {
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts(ggml_version());
        return 0;
    }
    const bool flash = argc == 6 && strcmp(argv[5], "flash") == 0;
    if (argc < 4 || argc > 6 || (argc == 6 && !flash)) {
        fprintf(stderr, "usage: %s MMPROJ WIDTH HEIGHT [THREADS [flash]]\n", argv[0]);
        return 2;
    }
    const int threads = argc > 4 ? atoi(argv[4]) : 2;
    clip_context_params params = {};
    params.flash_attn_type  = flash ? CLIP_FLASH_ATTN_TYPE_ENABLED : CLIP_FLASH_ATTN_TYPE_DISABLED;
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
    const size_t tokens = clip_n_output_tokens(loaded.ctx_v, &image);
    std::vector<float> embeddings(tokens * clip_n_mmproj_embd(loaded.ctx_v));
    size_t read;
    while ((read = fread(pixels.data(), sizeof(float), pixels.size(), stdin)) == pixels.size()) {
        image.cpy_buf(pixels);
        if (!clip_image_batch_encode(loaded.ctx_v, threads, &batch, embeddings)) {
            return 1;
        }
        fwrite(embeddings.data(), sizeof(float), embeddings.size(), stdout);
        fflush(stdout);
    }
    clip_free(loaded.ctx_v);
    if (read != 0) {
        fprintf(stderr, "too few pixels\n");
        return 1;
    }
    return 0;
}
