/* A disk that fails on demand: preloaded into a program, it lets the Nth call on files below one
 * folder fail. Everything is told to it in its environment:
 *
 *   CHAOS_FOLDER  files below this folder are concerned, no others
 *   CHAOS_CALLS   which calls count, letters: w(rite) s(ync) o(pen) t(runcate) r(ename)
 *   CHAOS_NTH     the first call that fails, from 1
 *   CHAOS_TIMES   how many fail from there on; 0 means all
 *   CHAOS_ERROR   EIO or ENOSPC
 *   CHAOS_TORN    1: a failing write has written the first half of its bytes
 *   CHAOS_COUNT   a file of two 64-bit numbers: calls seen, calls failed
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

struct count {
    uint64_t seen;
    uint64_t failed;
};

static struct count own;
static struct count *count = &own;
static const char *folder;
static const char *calls = "";
static uint64_t nth, times;
static int error_number, torn;

__attribute__((constructor)) static void begin(void) {
    const char *text;
    folder = getenv("CHAOS_FOLDER");
    if ((text = getenv("CHAOS_CALLS"))) calls = text;
    if ((text = getenv("CHAOS_NTH"))) nth = strtoull(text, NULL, 10);
    if ((text = getenv("CHAOS_TIMES"))) times = strtoull(text, NULL, 10);
    text = getenv("CHAOS_ERROR");
    error_number = text && !strcmp(text, "ENOSPC") ? ENOSPC : EIO;
    text = getenv("CHAOS_TORN");
    torn = text && *text == '1';
    if ((text = getenv("CHAOS_COUNT"))) {
        int file = (int)syscall(SYS_openat, AT_FDCWD, text, O_RDWR | O_CLOEXEC, 0);
        if (file >= 0) {
            void *map = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
            if (map != MAP_FAILED) count = map;
            syscall(SYS_close, file);
        }
    }
}

/* Whether a path is below the folder. */
static int concerned(const char *path) {
    size_t length;
    if (!folder || !path) return 0;
    length = strlen(folder);
    return !strncmp(path, folder, length) && (path[length] == '/' || path[length] == 0);
}

/* Counts a call of this kind on a path, and says whether it is to fail. */
static int fails(char kind, const char *path) {
    uint64_t number;
    if (!strchr(calls, kind) || !concerned(path)) return 0;
    number = __atomic_add_fetch(&count->seen, 1, __ATOMIC_SEQ_CST);
    if (!nth || number < nth || (times && number >= nth + times)) return 0;
    __atomic_add_fetch(&count->failed, 1, __ATOMIC_SEQ_CST);
    return 1;
}

static int fails_on(char kind, int file) {
    char link[64], path[PATH_MAX];
    ssize_t length;
    if (!strchr(calls, kind)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return fails(kind, path);
}

#define REAL(name)                                              \
    static __typeof__(&name) real;                              \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define FAIL return errno = error_number, -1

ssize_t write(int file, const void *bytes, size_t size) {
    REAL(write);
    if (!fails_on('w', file)) return real(file, bytes, size);
    if (torn && size > 1) real(file, bytes, size / 2);
    FAIL;
}

ssize_t writev(int file, const struct iovec *parts, int number) {
    REAL(writev);
    if (!fails_on('w', file)) return real(file, parts, number);
    if (torn && number > 1) real(file, parts, number / 2);
    FAIL;
}

ssize_t pwrite(int file, const void *bytes, size_t size, off_t offset) {
    REAL(pwrite);
    if (!fails_on('w', file)) return real(file, bytes, size, offset);
    if (torn && size > 1) real(file, bytes, size / 2, offset);
    FAIL;
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t offset) {
    REAL(pwrite64);
    if (!fails_on('w', file)) return real(file, bytes, size, offset);
    if (torn && size > 1) real(file, bytes, size / 2, offset);
    FAIL;
}

int fsync(int file) {
    REAL(fsync);
    if (fails_on('s', file)) FAIL;
    return real(file);
}

int fdatasync(int file) {
    REAL(fdatasync);
    if (fails_on('s', file)) FAIL;
    return real(file);
}

int ftruncate(int file, off_t size) {
    REAL(ftruncate);
    if (fails_on('t', file)) FAIL;
    return real(file, size);
}

int ftruncate64(int file, off64_t size) {
    REAL(ftruncate64);
    if (fails_on('t', file)) FAIL;
    return real(file, size);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    if (fails('r', to)) FAIL;
    return real(from, to);
}

/* The mode is there only when a file may be made. */
#define MODE(mode, flags)                                       \
    mode_t mode = 0;                                            \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                      \
        va_list rest;                                           \
        va_start(rest, flags);                                  \
        mode = (mode_t)va_arg(rest, int);                       \
        va_end(rest);                                           \
    }

int open(const char *path, int flags, ...) {
    MODE(mode, flags)
    REAL(open);
    if (fails('o', path)) FAIL;
    return real(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    MODE(mode, flags)
    REAL(open64);
    if (fails('o', path)) FAIL;
    return real(path, flags, mode);
}

int openat(int at, const char *path, int flags, ...) {
    MODE(mode, flags)
    REAL(openat);
    if (fails('o', path)) FAIL;
    return real(at, path, flags, mode);
}

int openat64(int at, const char *path, int flags, ...) {
    MODE(mode, flags)
    REAL(openat64);
    if (fails('o', path)) FAIL;
    return real(at, path, flags, mode);
}
