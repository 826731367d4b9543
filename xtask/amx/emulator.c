// AMX for x86-64 Linux machines without it, for `cargo xtask test-amx`: a library to preload.
//
// The tests run a copy of a program in which `cpuid` and `xgetbv` are invalid instructions (src/amx/traps.rs). They and the
// instructions of AMX arrive here as SIGILL. `cpuid` and `xgetbv` answer as on a processor with AMX. Tile instructions work on
// tiles of this thread. What a processor would refuse ends the process.
//
// Only instructions and operands that the kernels use are emulated: palette 1, a base with or without an index, TDPBF16PS and
// TDPBSSD. The processor needs AVX2 and FMA.
//
// GLM4V_EMULATE=denied: the permission for tiles is refused. wrong: products have a wrong bit. wrong-int8: only those of integers
// have. no-int8: the processor has no products of integers. old-system: the system does not enable the tiles.
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <immintrin.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { TILES = 8, ROWS = 16, ROW_BYTES = 64 };

// The tiles of a thread, and their shapes. Those that are not configured have no rows.
struct tiles {
    int rows[TILES], row_bytes[TILES];
    _Alignas(64) uint8_t data[TILES][ROWS][ROW_BYTES];
};
static __thread struct tiles tiles __attribute__((tls_model("initial-exec")));
static atomic_int permitted;
static atomic_ulong products, int8_products;
static enum { NOTHING, DENIED, WRONG, WRONG_INT8, NO_INT8, OLD_SYSTEM } fault;

// Ends the process as an invalid instruction does.
static _Noreturn void refuse(const char *reason, const uint8_t *at) {
    char line[128];
    int length = snprintf(line, sizeof line, "emulator of AMX: %s (%02x %02x %02x %02x %02x)\n", reason, at[0], at[1], at[2],
                          at[3], at[4]);
    (void)!write(2, line, (size_t)length);
    _exit(132);
}

static int64_t *register_of(ucontext_t *context, int number) {
    static const int places[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                   REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
    return (int64_t *)&context->uc_mcontext.gregs[places[number]];
}

static void answer_cpuid(ucontext_t *context) {
    int64_t *a = register_of(context, 0), *c = register_of(context, 1);
    int64_t *d = register_of(context, 2), *b = register_of(context, 3);
    uint32_t leaf = (uint32_t)*a, subleaf = (uint32_t)*c, last = __get_cpuid_max(0, 0);
    uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (leaf <= last || leaf >= 0x40000000) __cpuid_count(leaf, subleaf, eax, ebx, ecx, edx);
    if (leaf == 0 && eax < 0x1d) eax = 0x1d;
    if (leaf == 7 && subleaf == 0) {
        edx |= 1u << 22 | 1u << 24; // AMX-BF16, AMX-TILE
        if (fault == NO_INT8) edx &= ~(1u << 25);
        else edx |= 1u << 25; // AMX-INT8
    }
    if (leaf == 0x1d) {
        eax = subleaf == 0, ebx = ecx = edx = 0;
        if (subleaf == 1) eax = 1024 << 16 | 8192, ebx = TILES << 16 | ROW_BYTES, ecx = ROWS;
    }
    *a = eax, *b = ebx, *c = ecx, *d = edx;
}

static void answer_xgetbv(ucontext_t *context) {
    int64_t *a = register_of(context, 0), *c = register_of(context, 1), *d = register_of(context, 2);
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"((uint32_t)*c));
    if ((uint32_t)*c == 0 && fault != OLD_SYSTEM) low |= 3u << 17;
    *a = low, *d = high;
}

static void configure(const uint8_t *bytes, const uint8_t *at) {
    static const uint8_t zeros[ROWS];
    if (bytes[0] != 1 || bytes[1] != 0) refuse("only palette 1 from row 0 is emulated", at);
    if (memcmp(bytes + 2, zeros, 14) || memcmp(bytes + 32, zeros, 16) || memcmp(bytes + 56, zeros, 8))
        refuse("a reserved byte of the configuration is not zero", at);
    memset(&tiles, 0, sizeof tiles);
    for (int tile = 0; tile < TILES; tile++) {
        tiles.row_bytes[tile] = bytes[16 + 2 * tile] | bytes[17 + 2 * tile] << 8;
        tiles.rows[tile] = bytes[48 + tile];
        if (tiles.row_bytes[tile] > ROW_BYTES || tiles.row_bytes[tile] % 4 || tiles.rows[tile] > ROWS ||
            !tiles.row_bytes[tile] != !tiles.rows[tile])
            refuse("a tile has no such shape", at);
    }
}

static void check(int tile, const uint8_t *at) {
    if (tile >= TILES || !tiles.rows[tile]) refuse("the tile is not configured on this thread", at);
}

static void check_shapes(int sum, int left, int right, const uint8_t *at) {
    check(sum, at), check(left, at), check(right, at);
    if (sum == left || sum == right || left == right) refuse("one tile twice in a product", at);
    if (tiles.rows[sum] != tiles.rows[left] || tiles.row_bytes[sum] != tiles.row_bytes[right] ||
        tiles.row_bytes[left] / 4 != tiles.rows[right])
        refuse("the shapes of the tiles do not fit", at);
}

// The sums of the lower and of the upper halves, each by fused multiply-adds, are added. Their sum is added to the tile. Subnormal
// numbers are zero.
__attribute__((target("avx2,fma"))) static void multiply_pairs(int sum, int left, int right, const uint8_t *at) {
    check_shapes(sum, left, right, at);
    _mm_setcsr(0x9fc0); // subnormal operands and results are zero; no exceptions
    const __m256i upper = _mm256_set1_epi32((int)0xffff0000);
    for (int row = 0; row < tiles.rows[sum]; row++) {
        for (int column = 0; column < tiles.row_bytes[sum]; column += 32) {
            __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
            for (int step = 0; step < tiles.rows[right]; step++) {
                int pair;
                memcpy(&pair, &tiles.data[left][row][4 * step], 4);
                __m256i x = _mm256_set1_epi32(pair);
                __m256i y = _mm256_load_si256((const __m256i *)&tiles.data[right][step][column]);
                low = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_slli_epi32(x, 16)),
                                      _mm256_castsi256_ps(_mm256_slli_epi32(y, 16)), low);
                high = _mm256_fmadd_ps(_mm256_castsi256_ps(_mm256_and_si256(x, upper)),
                                       _mm256_castsi256_ps(_mm256_and_si256(y, upper)), high);
            }
            float *place = (float *)&tiles.data[sum][row][column];
            _mm256_store_ps(place, _mm256_add_ps(_mm256_load_ps(place), _mm256_add_ps(low, high)));
        }
    }
    if (fault == WRONG) tiles.data[sum][tiles.rows[sum] - 1][0] ^= 1;
    atomic_fetch_add(&products, 1);
}

// The sum of four products of signed bytes is added to each i32.
__attribute__((target("avx2"))) static void multiply_bytes(int sum, int left, int right, const uint8_t *at) {
    check_shapes(sum, left, right, at);
    for (int row = 0; row < tiles.rows[sum]; row++) {
        for (int column = 0; column < tiles.row_bytes[sum]; column += 32) {
            __m256i added = _mm256_setzero_si256(); // columns 0, 1, 4, 5, 2, 3, 6, 7
            for (int step = 0; step < tiles.rows[right]; step++) {
                int four;
                memcpy(&four, &tiles.data[left][row][4 * step], 4);
                __m256i x = _mm256_cvtepi8_epi16(_mm_set1_epi32(four));
                __m256i y = _mm256_load_si256((const __m256i *)&tiles.data[right][step][column]);
                __m256i first = _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(_mm256_castsi256_si128(y)));
                __m256i last = _mm256_madd_epi16(x, _mm256_cvtepi8_epi16(_mm256_extracti128_si256(y, 1)));
                added = _mm256_add_epi32(added, _mm256_hadd_epi32(first, last));
            }
            __m256i *place = (__m256i *)&tiles.data[sum][row][column];
            added = _mm256_permute4x64_epi64(added, 0xd8);
            _mm256_store_si256(place, _mm256_add_epi32(_mm256_load_si256(place), added));
        }
    }
    if (fault == WRONG || fault == WRONG_INT8) tiles.data[sum][tiles.rows[sum] - 1][0] ^= 1;
    atomic_fetch_add(&int8_products, 1);
}

static void copy(int tile, uint8_t *memory, uint64_t stride, int load, const uint8_t *at) {
    check(tile, at);
    for (int row = 0; row < tiles.rows[tile]; row++) {
        uint8_t *there = memory + (uint64_t)row * stride, *here = tiles.data[tile][row];
        memcpy(load ? here : there, load ? there : here, (size_t)tiles.row_bytes[tile]);
    }
}

// An instruction of AMX: C4, two bytes of prefix, the opcode and its operands.
struct instruction {
    int opcode, prefix, direct, first, second, third;
    uint8_t *memory;
    uint64_t stride;
    int length;
};

static int decode(ucontext_t *context, const uint8_t *at, struct instruction *found) {
    // The map of opcodes is 2, W and L are 0.
    if (at[0] != 0xc4 || (at[1] & 0x1f) != 2 || at[2] & 0x84) return 0;
    int high_register = ~at[1] >> 7 & 1, high_index = ~at[1] >> 6 & 1, high_base = ~at[1] >> 5 & 1;
    int mode = at[4] >> 6, base = at[4] & 7;
    *found = (struct instruction){
        .opcode = at[3],
        .prefix = at[2] & 3,
        .direct = mode == 3,
        .first = (at[4] >> 3 & 7) | high_register << 3,
        .second = base | high_base << 3,
        .third = ~at[2] >> 3 & 15,
        .length = 5,
    };
    if (mode == 3) return 1;
    int index = 4, scale = 0;
    if (base == 4) {
        scale = at[5] >> 6, index = (at[5] >> 3 & 7) | high_index << 3, base = at[5] & 7;
        found->length++;
    } else if (base == 5 && mode == 0) {
        int32_t distance; // from the next instruction
        memcpy(&distance, at + 5, 4);
        found->memory = (uint8_t *)at + 9 + distance, found->length = 9;
        return 1;
    }
    if (base == 5 && mode == 0) return 0;
    int64_t address = *register_of(context, base | high_base << 3);
    if (mode == 1) address += (int8_t)at[found->length], found->length += 1;
    if (mode == 2) {
        int32_t distance;
        memcpy(&distance, at + found->length, 4);
        address += distance, found->length += 4;
    }
    found->stride = index == 4 ? 0 : (uint64_t)*register_of(context, index) << scale;
    found->memory = (uint8_t *)address;
    return 1;
}

static int run(ucontext_t *context, const uint8_t *at) {
    struct instruction now;
    if (!decode(context, at, &now)) return 0;
    if (!permitted) refuse("the permission for tiles was not asked for", at);
    switch (now.opcode << 4 | now.direct << 2 | now.prefix) {
    case 0x490: configure(now.memory + now.stride, at); break; // LDTILECFG
    case 0x494: memset(&tiles, 0, sizeof tiles); break;        // TILERELEASE
    case 0x497: // TILEZERO
        check(now.first, at);
        memset(tiles.data[now.first], 0, sizeof tiles.data[0]);
        break;
    case 0x4b3: copy(now.first, now.memory, now.stride, 1, at); break; // TILELOADD
    case 0x4b2: copy(now.first, now.memory, now.stride, 0, at); break; // TILESTORED
    case 0x5c6: multiply_pairs(now.first, now.second, now.third, at); break; // TDPBF16PS
    case 0x5e7: multiply_bytes(now.first, now.second, now.third, at); break; // TDPBSSD
    default: refuse("the instruction is not emulated", at);
    }
    return now.length;
}

// The length of PREFETCHT0 with a register and 32 bits, as it stands between tile instructions.
static int prefetch(const uint8_t *at) {
    int extended = at[0] == 0x41;
    const uint8_t *code = at + extended;
    return code[0] == 0x0f && code[1] == 0x18 && code[2] >> 6 == 2 && (code[2] & 7) != 4 ? 7 + extended : 0;
}

static void on_sigill(int signal, siginfo_t *info, void *pointer) {
    (void)signal, (void)info;
    int saved = errno;
    ucontext_t *context = pointer;
    greg_t *ip = &context->uc_mcontext.gregs[REG_RIP];
    const uint8_t *at = (const uint8_t *)*ip;
    if (at[0] == 0x06 && at[1] == 0xa2) {
        answer_cpuid(context);
        at += 2;
    } else if (at[0] == 0x07 && at[1] == 0x01 && at[2] == 0xd0) {
        answer_xgetbv(context);
        at += 3;
    } else {
        int length = run(context, at);
        if (!length) refuse("an invalid instruction that is not of AMX", at);
        // A signal takes much longer than an instruction, so the following ones are emulated at once.
        do at += length; while ((length = prefetch(at)) || (length = run(context, at)));
    }
    *ip = (greg_t)at;
    errno = saved;
}

// The request for tiles, which the filter below turns into a signal.
static void on_sigsys(int signal, siginfo_t *info, void *pointer) {
    (void)signal, (void)info;
    ucontext_t *context = pointer;
    permitted = fault != DENIED;
    *register_of(context, 0) = permitted ? 0 : -EPERM;
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(signal, &action, 0);
}

__attribute__((constructor)) static void start(void) {
    const char *name = getenv("GLM4V_EMULATE");
    if (name && !strcmp(name, "denied")) fault = DENIED;
    if (name && !strcmp(name, "wrong")) fault = WRONG;
    if (name && !strcmp(name, "wrong-int8")) fault = WRONG_INT8;
    if (name && !strcmp(name, "no-int8")) fault = NO_INT8;
    if (name && !strcmp(name, "old-system")) fault = OLD_SYSTEM;
    handle(SIGILL, on_sigill);
    handle(SIGSYS, on_sigsys);
    enum { ARCH_REQ_XCOMP_PERM = 0x1023 };
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_arch_prctl, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH_REQ_XCOMP_PERM, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("emulator of AMX: the request for tiles cannot be emulated");
        _exit(1);
    }
}

__attribute__((destructor)) static void report(void) {
    fprintf(stderr, "emulator of AMX: %lu products of tiles in bf16, %lu in int8\n", (unsigned long)products,
            (unsigned long)int8_products);
}
