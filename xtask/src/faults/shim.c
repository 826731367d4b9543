/* Makes one call of the operating system fail, in a program that is started with LD_PRELOAD. Linux on x86-64 only.
 *
 * Most calls go through the C library, whose functions are replaced here. The crate rustix renames files without it: a filter
 * of system calls (seccomp) turns each of them into a signal, and the signal's handler stands in for the call.
 *
 * A call is counted if its file lies in the folder of FAULT_DIR, or if it concerns a socket. The place of a call is a hash of
 * the return addresses in the program itself, so it is the same in every run.
 *
 *   FAULT_LOG    a file that gets one line for each counted call: its name, its place and its file
 *   FAULT_CALL, FAULT_PLACE, FAULT_NTH    the call that fails: name, place, and which call at this place, counted from 1
 *   FAULT_ERROR  the name of an error, SHORT for half of the bytes, or KILL
 *   FAULT_STAYS  if it is set, every later call of this name fails too, whatever its place
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define FRAMES 40

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int inside;
static int ready, log_fd = -1, nth, seen, stays, has_failed;
static const char *dir, *call, *place, *error_name;

static int number(const char *name) {
    static const struct { const char *name; int number; } errors[] = {
        {"EACCES", EACCES}, {"EAGAIN", EAGAIN}, {"ECONNREFUSED", ECONNREFUSED}, {"ECONNRESET", ECONNRESET},
        {"EDQUOT", EDQUOT}, {"EINTR", EINTR},   {"EIO", EIO},                   {"EMFILE", EMFILE},
        {"ENOLCK", ENOLCK}, {"ENOSPC", ENOSPC}, {"EROFS", EROFS},               {"ETIMEDOUT", ETIMEDOUT},
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (!strcmp(errors[i].name, name)) return errors[i].number;
    abort();
}

static void start(void) {
    if (ready) return;
    dir = getenv("FAULT_DIR");
    call = getenv("FAULT_CALL");
    place = getenv("FAULT_PLACE");
    error_name = getenv("FAULT_ERROR");
    nth = getenv("FAULT_NTH") ? atoi(getenv("FAULT_NTH")) : 0;
    stays = getenv("FAULT_STAYS") != NULL;
    const char *log = getenv("FAULT_LOG");
    if (log) log_fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    ready = 1;
}

static uint64_t here(void) {
    static void *program;
    void *frames[FRAMES];
    Dl_info info;
    if (!program && dladdr((void *)getauxval(AT_ENTRY), &info)) program = info.dli_fbase;
    int count = backtrace(frames, FRAMES);
    uint64_t hash = 14695981039346656037u;
    for (int i = 0; i < count; i++) {
        if (!dladdr(frames[i], &info) || info.dli_fbase != program) continue;
        hash = (hash ^ (uint64_t)((char *)frames[i] - (char *)program)) * 1099511628211u;
    }
    return hash;
}

/* 0 to go on, -1 to fail with errno, 1 for half of the bytes. */
static int judge(const char *name, const char *path) {
    if (inside) return 0;
    inside = 1;
    int saved = errno, result = 0;
    pthread_mutex_lock(&lock);
    start();
    int is_ours = dir && path && (!strncmp(path, dir, strlen(dir)) || !strncmp(path, "socket:", 7));
    if (is_ours) {
        char text[32];
        snprintf(text, sizeof text, "%016lx", (unsigned long)here());
        if (log_fd >= 0) {
            char line[4600];
            int length = snprintf(line, sizeof line, "%s %s %s\n", name, text, path);
            if (syscall(SYS_write, log_fd, line, length) != length) abort();
        }
        int is_place = call && !strcmp(name, call) && place && !strcmp(text, place);
        if (is_place) seen++;
        int fails = is_place && seen == nth;
        if (stays && has_failed && call && !strcmp(name, call)) fails = 1;
        if (fails) {
            has_failed = 1;
            if (!strcmp(error_name, "KILL")) kill(getpid(), SIGKILL);
            else if (!strcmp(error_name, "SHORT")) result = 1;
            else {
                saved = number(error_name);
                result = -1;
            }
        }
    }
    pthread_mutex_unlock(&lock);
    errno = saved;
    inside = 0;
    return result;
}

static int judge_fd(const char *name, int fd) {
    if (inside) return 0;
    char link[64], path[4096];
    int saved = errno;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    errno = saved;
    if (length < 0) return 0;
    path[length] = 0;
    return judge(name, path);
}

static int judge_at(const char *name, int fd, const char *path) {
    if (inside) return 0;
    if (!path || path[0] == '/') return judge(name, path);
    char link[64], full[8192];
    int saved = errno;
    if (fd == AT_FDCWD) strcpy(link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, full, 4000);
    errno = saved;
    if (length < 0) return 0;
    snprintf(full + length, sizeof full - length, "/%s", path);
    return judge(name, full);
}

#define REAL(name, type, ...) \
    static type (*real)(__VA_ARGS__); \
    if (!real) real = dlsym(RTLD_NEXT, name)

#define OPEN(symbol) \
    int symbol(const char *path, int flags, ...) { \
        REAL(#symbol, int, const char *, int, ...); \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        if (judge_at(flags & O_CREAT ? "create" : "open", AT_FDCWD, path) < 0) return -1; \
        return real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(symbol) \
    int symbol(int at, const char *path, int flags, ...) { \
        REAL(#symbol, int, int, const char *, int, ...); \
        va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
        if (judge_at(flags & O_CREAT ? "create" : "open", at, path) < 0) return -1; \
        return real(at, path, flags, mode); \
    }
OPENAT(openat)
OPENAT(openat64)

#define BYTES(symbol, call_name, buffer) \
    ssize_t symbol(int fd, buffer bytes, size_t length) { \
        REAL(#symbol, ssize_t, int, buffer, size_t); \
        int judged = judge_fd(call_name, fd); \
        if (judged < 0) return -1; \
        return real(fd, bytes, judged > 0 && length > 1 ? length / 2 : length); \
    }
BYTES(write, "write", const void *)
BYTES(read, "read", void *)

#define BYTES_AT(symbol, call_name, buffer) \
    ssize_t symbol(int fd, buffer bytes, size_t length, off_t offset) { \
        REAL(#symbol, ssize_t, int, buffer, size_t, off_t); \
        int judged = judge_fd(call_name, fd); \
        if (judged < 0) return -1; \
        return real(fd, bytes, judged > 0 && length > 1 ? length / 2 : length, offset); \
    }
BYTES_AT(pwrite, "write", const void *)
BYTES_AT(pwrite64, "write", const void *)
BYTES_AT(pread, "read", void *)
BYTES_AT(pread64, "read", void *)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL("writev", ssize_t, int, const struct iovec *, int);
    int judged = judge_fd("write", fd);
    if (judged < 0) return -1;
    return real(fd, parts, judged > 0 ? 1 : count);
}

ssize_t send(int fd, const void *bytes, size_t length, int flags) {
    REAL("send", ssize_t, int, const void *, size_t, int);
    int judged = judge_fd("send", fd);
    if (judged < 0) return -1;
    return real(fd, bytes, judged > 0 && length > 1 ? length / 2 : length, flags);
}

ssize_t recv(int fd, void *bytes, size_t length, int flags) {
    REAL("recv", ssize_t, int, void *, size_t, int);
    int judged = judge_fd("recv", fd);
    if (judged < 0) return -1;
    return real(fd, bytes, judged > 0 && length > 1 ? length / 2 : length, flags);
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
    REAL("connect", int, int, const struct sockaddr *, socklen_t);
    return judge_fd("connect", fd) < 0 ? -1 : real(fd, address, length);
}

#define FD(symbol, call_name) \
    int symbol(int fd) { \
        REAL(#symbol, int, int); \
        return judge_fd(call_name, fd) < 0 ? -1 : real(fd); \
    }
FD(fsync, "sync")
FD(fdatasync, "sync")

#define TRUNCATE(symbol) \
    int symbol(int fd, off_t length) { \
        REAL(#symbol, int, int, off_t); \
        return judge_fd("truncate", fd) < 0 ? -1 : real(fd, length); \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

int flock(int fd, int operation) {
    REAL("flock", int, int, int);
    return judge_fd("lock", fd) < 0 ? -1 : real(fd, operation);
}

int fchmod(int fd, mode_t mode) {
    REAL("fchmod", int, int, mode_t);
    return judge_fd("chmod", fd) < 0 ? -1 : real(fd, mode);
}

int chmod(const char *path, mode_t mode) {
    REAL("chmod", int, const char *, mode_t);
    return judge_at("chmod", AT_FDCWD, path) < 0 ? -1 : real(path, mode);
}

int unlink(const char *path) {
    REAL("unlink", int, const char *);
    return judge_at("remove", AT_FDCWD, path) < 0 ? -1 : real(path);
}

int unlinkat(int at, const char *path, int flags) {
    REAL("unlinkat", int, int, const char *, int);
    return judge_at("remove", at, path) < 0 ? -1 : real(at, path, flags);
}

int rmdir(const char *path) {
    REAL("rmdir", int, const char *);
    return judge_at("remove", AT_FDCWD, path) < 0 ? -1 : real(path);
}

int mkdir(const char *path, mode_t mode) {
    REAL("mkdir", int, const char *, mode_t);
    return judge_at("mkdir", AT_FDCWD, path) < 0 ? -1 : real(path, mode);
}

int statx(int at, const char *path, int flags, unsigned mask, struct statx *found) {
    REAL("statx", int, int, const char *, int, unsigned, struct statx *);
    /* The standard library of Rust tries this call without a path, though the header forbids it. */
    const char *volatile given = path;
    int judged = given && *given ? judge_at("stat", at, path) : judge_fd("stat", at);
    return judged < 0 ? -1 : real(at, path, flags, mask, found);
}

DIR *opendir(const char *path) {
    REAL("opendir", DIR *, const char *);
    return judge_at("list", AT_FDCWD, path) < 0 ? NULL : real(path);
}

#define SEEK(symbol) \
    off_t symbol(int fd, off_t offset, int whence) { \
        REAL(#symbol, off_t, int, off_t, int); \
        return judge_fd("seek", fd) < 0 ? -1 : real(fd, offset, whence); \
    }
SEEK(lseek)
SEEK(lseek64)

/* The only place from which files are renamed. */
long rename_gate(long number, long a, long b, long c, long d, long e);
extern char rename_gate_end[];
__asm__(".text\n"
        ".globl rename_gate, rename_gate_end\n"
        ".hidden rename_gate, rename_gate_end\n"
        "rename_gate:\n"
        "  mov %rdi, %rax\n"
        "  mov %rsi, %rdi\n"
        "  mov %rdx, %rsi\n"
        "  mov %rcx, %rdx\n"
        "  mov %r8, %r10\n"
        "  mov %r9, %r8\n"
        "  syscall\n"
        "rename_gate_end:\n"
        "  ret\n");

static void renamed(int signal, siginfo_t *info, void *context) {
    (void)signal;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    long a = registers[REG_RDI], b = registers[REG_RSI], c = registers[REG_RDX];
    int is_plain = info->si_syscall == SYS_rename;
    int saved = errno;
    int judged = judge_at("rename", is_plain ? AT_FDCWD : (int)a, (const char *)(is_plain ? a : b));
    registers[REG_RAX] =
        judged < 0 ? -errno : rename_gate(info->si_syscall, a, b, c, registers[REG_R10], registers[REG_R8]);
    errno = saved;
}

__attribute__((constructor)) static void watch_renames(void) {
    uint64_t gate = (uint64_t)rename_gate_end;
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rename, 3, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_renameat2, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)gate, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(gate >> 32), 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog filter = {sizeof program / sizeof *program, program};
    struct sigaction action = {.sa_sigaction = renamed, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (!getenv("FAULT_DIR")) return;
    if (sigaction(SIGSYS, &action, NULL) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) {
        perror("the filter of system calls");
        abort();
    }
}
