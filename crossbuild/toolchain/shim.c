/* What newer C libraries offer and the target's does not, written with what the target's has.
 *
 * A distribution's library that is copied into a wheel may want these of a newer glibc. On a
 * machine whose glibc has them, they are found there first, and this library goes unused.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define HAS(minor) (__GLIBC_MINOR__ >= (minor))

#if !HAS(33)
/* stat(2) and its like were inline functions around these (glibc 2.33, NEWS). */
#if defined(__aarch64__) || (defined(__riscv) && __riscv_xlen == 64)
#define STAT_VERSION 0
#elif defined(__x86_64__) || defined(__powerpc64__) || defined(__s390x__)
#define STAT_VERSION 1
#endif
#endif
#ifdef STAT_VERSION
struct stat;
struct stat64;
int __xstat(int, const char *, struct stat *);
int __lxstat(int, const char *, struct stat *);
int __fxstat(int, int, struct stat *);
int __fxstatat(int, int, const char *, struct stat *, int);
int __xstat64(int, const char *, struct stat64 *);
int __lxstat64(int, const char *, struct stat64 *);
int __fxstat64(int, int, struct stat64 *);
int __fxstatat64(int, int, const char *, struct stat64 *, int);
int __xmknod(int, const char *, mode_t, dev_t *);
int __xmknodat(int, int, const char *, mode_t, dev_t *);
#define STATS(suffix)                                                                          \
    int stat##suffix(const char *path, struct stat##suffix *found)                             \
    { return __xstat##suffix(STAT_VERSION, path, found); }                                     \
    int lstat##suffix(const char *path, struct stat##suffix *found)                            \
    { return __lxstat##suffix(STAT_VERSION, path, found); }                                    \
    int fstat##suffix(int file, struct stat##suffix *found)                                    \
    { return __fxstat##suffix(STAT_VERSION, file, found); }                                    \
    int fstatat##suffix(int at, const char *path, struct stat##suffix *found, int flags)       \
    { return __fxstatat##suffix(STAT_VERSION, at, path, found, flags); }
STATS()
STATS(64)
int mknod(const char *path, mode_t mode, dev_t device) { return __xmknod(0, path, mode, &device); }
int mknodat(int at, const char *path, mode_t mode, dev_t device)
{ return __xmknodat(0, at, path, mode, &device); }
#endif

#if !HAS(34)
/* Until they moved from libresolv.so.2, these were macros for names with underscores. */
struct __res_state;
int __res_ninit(struct __res_state *);
void __res_nclose(struct __res_state *);
int __res_nsearch(struct __res_state *, const char *, int, int, unsigned char *, int);
int __res_nquery(struct __res_state *, const char *, int, int, unsigned char *, int);
int __res_search(const char *, int, int, unsigned char *, int);
int __res_query(const char *, int, int, unsigned char *, int);
int __dn_expand(const unsigned char *, const unsigned char *, const unsigned char *, char *, int);
int __dn_skipname(const unsigned char *, const unsigned char *);
int res_ninit(struct __res_state *state) { return __res_ninit(state); }
void res_nclose(struct __res_state *state) { __res_nclose(state); }
int res_nsearch(struct __res_state *state, const char *name, int class, int type,
                unsigned char *answer, int room)
{ return __res_nsearch(state, name, class, type, answer, room); }
int res_nquery(struct __res_state *state, const char *name, int class, int type,
               unsigned char *answer, int room)
{ return __res_nquery(state, name, class, type, answer, room); }
int res_search(const char *name, int class, int type, unsigned char *answer, int room)
{ return __res_search(name, class, type, answer, room); }
int res_query(const char *name, int class, int type, unsigned char *answer, int room)
{ return __res_query(name, class, type, answer, room); }
int dn_expand(const unsigned char *message, const unsigned char *end, const unsigned char *from,
              char *to, int room)
{ return __dn_expand(message, end, from, to, room); }
int dn_skipname(const unsigned char *from, const unsigned char *end)
{ return __dn_skipname(from, end); }
#endif

#if !HAS(36)
/* Random bytes of the kernel; of its device where the call is not there yet (Linux before 3.17). */
static int filled(unsigned char *to, size_t size)
{
    int file = -1;
    while (size > 0) {
        long got = file < 0 ? syscall(SYS_getrandom, to, size, 0) : read(file, to, size);
        if (got > 0) {
            to += got;
            size -= (size_t)got;
        } else if (got < 0 && errno == ENOSYS && file < 0) {
            file = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
            if (file < 0)
                return -1;
        } else if (got == 0 || errno != EINTR) {
            if (file >= 0)
                close(file);
            return -1;
        }
    }
    if (file >= 0)
        close(file);
    return 0;
}

void arc4random_buf(void *to, size_t size)
{
    if (filled(to, size) != 0)
        abort();
}

uint32_t arc4random(void)
{
    uint32_t value;
    arc4random_buf(&value, sizeof value);
    return value;
}

uint32_t arc4random_uniform(uint32_t bound)
{
    uint32_t value, least = bound > 1 ? -bound % bound : 0;
    if (bound < 2)
        return 0;
    do
        value = arc4random();
    while (value < least);
    return value % bound;
}

#if !HAS(25)
int getentropy(void *to, size_t size)
{
    if (size > 256) {
        errno = EIO;
        return -1;
    }
    return filled(to, size);
}

ssize_t getrandom(void *to, size_t size, unsigned flags)
{ return syscall(SYS_getrandom, to, size, flags); }
#endif
#endif

#if !HAS(25)
void explicit_bzero(void *to, size_t size)
{
    memset(to, 0, size);
    __asm__ volatile("" : : "r"(to) : "memory");
}

void __explicit_bzero_chk(void *to, size_t size, size_t room)
{
    if (size > room)
        abort();
    explicit_bzero(to, size);
}
#endif

#if !HAS(26)
void *reallocarray(void *old, size_t count, size_t size)
{
    size_t whole;
    if (__builtin_mul_overflow(count, size, &whole)) {
        errno = ENOMEM;
        return NULL;
    }
    return realloc(old, whole);
}
#endif

#if !HAS(26)
/* Linux has had these calls since 4.6; before, as in glibc, flags are what cannot be had. */
static int lacks_flags(ssize_t done, int flags)
{
    if (done >= 0 || errno != ENOSYS)
        return 0;
    if (flags != 0)
        errno = ENOTSUP;
    return flags == 0;
}

ssize_t preadv64v2(int file, const struct iovec *parts, int count, off64_t at, int flags)
{
    ssize_t done = syscall(SYS_preadv2, file, parts, count, (long)at, (long)((uint64_t)at >> 32),
                           flags);
    if (!lacks_flags(done, flags))
        return done;
    return at == -1 ? readv(file, parts, count) : preadv64(file, parts, count, at);
}

ssize_t pwritev64v2(int file, const struct iovec *parts, int count, off64_t at, int flags)
{
    ssize_t done = syscall(SYS_pwritev2, file, parts, count, (long)at,
                           (long)((uint64_t)at >> 32), flags);
    if (!lacks_flags(done, flags))
        return done;
    return at == -1 ? writev(file, parts, count) : pwritev64(file, parts, count, at);
}
#endif

#if !HAS(27)
int memfd_create(const char *name, unsigned flags)
{ return (int)syscall(SYS_memfd_create, name, flags); }
#endif

#if !HAS(27)
ssize_t copy_file_range(int from, off64_t *at, int to, off64_t *there, size_t size, unsigned flags)
{ return syscall(SYS_copy_file_range, from, at, to, there, size, flags); }
#endif

#if !HAS(28)
struct statx;
int statx(int at, const char *path, int flags, unsigned mask, struct statx *found)
{ return (int)syscall(SYS_statx, at, path, flags, mask, found); }

int fcntl64(int file, int command, ...)
{
    va_list rest;
    va_start(rest, command);
    void *argument = va_arg(rest, void *);
    va_end(rest);
    return fcntl(file, command, argument);
}
#endif

#if !HAS(30)
/* Which clock ends a wait is its own business since 2.30; before, only the wall clock will do. */
static int on_the_wall(clockid_t clock, const struct timespec *end, struct timespec *wall)
{
    struct timespec there;
    if (clock_gettime(clock, &there) != 0 || clock_gettime(CLOCK_REALTIME, wall) != 0)
        return EINVAL;
    wall->tv_sec += end->tv_sec - there.tv_sec;
    wall->tv_nsec += end->tv_nsec - there.tv_nsec;
    if (wall->tv_nsec < 0) {
        wall->tv_nsec += 1000000000;
        wall->tv_sec--;
    } else if (wall->tv_nsec >= 1000000000) {
        wall->tv_nsec -= 1000000000;
        wall->tv_sec++;
    }
    return 0;
}

int pthread_cond_clockwait(pthread_cond_t *condition, pthread_mutex_t *mutex, clockid_t clock,
                           const struct timespec *end)
{
    struct timespec wall;
    if (clock == CLOCK_REALTIME)
        return pthread_cond_timedwait(condition, mutex, end);
    if (on_the_wall(clock, end, &wall) != 0)
        return EINVAL;
    return pthread_cond_timedwait(condition, mutex, &wall);
}

int sem_clockwait(sem_t *semaphore, clockid_t clock, const struct timespec *end)
{
    struct timespec wall;
    if (clock == CLOCK_REALTIME)
        return sem_timedwait(semaphore, end);
    if (on_the_wall(clock, end, &wall) != 0) {
        errno = EINVAL;
        return -1;
    }
    return sem_timedwait(semaphore, &wall);
}

pid_t gettid(void) { return (pid_t)syscall(SYS_gettid); }
#endif

#if !HAS(32)
char __libc_single_threaded = 0; /* false is always right, and only slower */
#endif

#if !HAS(34)
int close_range(unsigned first, unsigned last, int flags)
{ return (int)syscall(SYS_close_range, first, last, flags); }
#endif

#if !HAS(38)
/* C23 lets these read 0b101 as two; those of C11 read 0 and stop there. */
long __isoc23_strtol(const char *text, char **end, int base) { return strtol(text, end, base); }
long long __isoc23_strtoll(const char *text, char **end, int base)
{ return strtoll(text, end, base); }
unsigned long __isoc23_strtoul(const char *text, char **end, int base)
{ return strtoul(text, end, base); }
unsigned long long __isoc23_strtoull(const char *text, char **end, int base)
{ return strtoull(text, end, base); }

size_t strlcpy(char *to, const char *from, size_t room)
{
    size_t length = strlen(from);
    if (room > 0) {
        size_t part = length < room ? length : room - 1;
        memcpy(to, from, part);
        to[part] = 0;
    }
    return length;
}

size_t strlcat(char *to, const char *from, size_t room)
{
    size_t there = strnlen(to, room);
    return there == room ? room + strlen(from) : there + strlcpy(to + there, from, room - there);
}
#endif
