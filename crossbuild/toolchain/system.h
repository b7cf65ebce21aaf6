/* What the launcher needs of an operating system and of C's library: Linux, freestanding. */

#ifndef CROSSBUILD_SYSTEM_H
#define CROSSBUILD_SYSTEM_H

#include <stddef.h>
#include <stdarg.h>

/* Linux system call numbers differ: asm/unistd_64.h for x86_64, asm-generic/unistd.h. */
#if defined(__x86_64__)
enum { SYS_read = 0, SYS_write = 1, SYS_close = 3, SYS_mmap = 9, SYS_execve = 59,
       SYS_exit_group = 231, SYS_openat = 257, SYS_readlinkat = 267 };

static long system_call(long number, long a, long b, long c, long d, long e, long f)
{
    long result;
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

__asm__(".globl _start\n"
        "_start:\n"
        "  xorl %ebp, %ebp\n"
        "  movq %rsp, %rdi\n"
        "  andq $-16, %rsp\n"
        "  call begin\n");
#elif defined(__aarch64__)
enum { SYS_openat = 56, SYS_close = 57, SYS_read = 63, SYS_write = 64, SYS_readlinkat = 78,
       SYS_exit_group = 94, SYS_execve = 221, SYS_mmap = 222 };

static long system_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0"
                     : "+r"(x0)
                     : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
                     : "memory");
    return x0;
}

__asm__(".globl _start\n"
        "_start:\n"
        "  mov x29, #0\n"
        "  mov x30, #0\n"
        "  mov x0, sp\n"
        "  bl begin\n");
#else
#error "the launcher knows the system calls of x86_64 and aarch64 hosts only"
#endif

enum { AT_FDCWD = -100, PATH_ROOM = 4096 };

static __attribute__((noreturn)) void leave(int code)
{
    for (;;)
        system_call(SYS_exit_group, code, 0, 0, 0, 0, 0);
}

static size_t length_of(const char *text)
{
    size_t length = 0;
    while (text[length])
        length++;
    return length;
}

static int starts_with(const char *text, const char *start)
{
    while (*start)
        if (*text++ != *start++)
            return 0;
    return 1;
}

static int equal(const char *a, const char *b)
{
    return starts_with(a, b) && length_of(a) == length_of(b);
}

/* Write up to three texts to a descriptor; a NULL ends them early. */
static void print(int descriptor, const char *a, const char *b, const char *c)
{
    const char *texts[] = {a, b, c};
    for (size_t i = 0; i < 3 && texts[i]; i++) {
        size_t length = length_of(texts[i]);
        for (size_t done = 0; done < length;) {
            long step = system_call(SYS_write, descriptor, (long)(texts[i] + done),
                                    (long)(length - done), 0, 0, 0);
            if (step <= 0)
                return;
            done += (size_t)step;
        }
    }
}

/* Memory that is never given back: the program soon becomes another one. */
static void *allocate(size_t size)
{
    enum { BLOCK = 1 << 20, PROT_READ_WRITE = 3, MAP_PRIVATE_ANONYMOUS = 0x22 };
    static char *next;
    static size_t left;
    size = (size + 15) & ~(size_t)15;
    if (size > left) {
        left = size > BLOCK ? size : BLOCK;
        long block = system_call(SYS_mmap, 0, (long)left, PROT_READ_WRITE,
                                 MAP_PRIVATE_ANONYMOUS, -1, 0);
        if (block < 0 && block > -4096) {
            print(2, "crossbuild launcher: out of memory\n", NULL, NULL);
            leave(127);
        }
        next = (char *)block;
    }
    void *result = next;
    next += size;
    left -= size;
    return result;
}

static char *copy(const char *text, size_t length)
{
    char *result = allocate(length + 1);
    for (size_t i = 0; i < length; i++)
        result[i] = text[i];
    result[length] = 0;
    return result;
}

static const char *join(const char *a, const char *b)
{
    size_t first = length_of(a), second = length_of(b);
    char *result = allocate(first + second + 1);
    for (size_t i = 0; i < first; i++)
        result[i] = a[i];
    for (size_t i = 0; i <= second; i++)
        result[first + i] = b[i];
    return result;
}

/* A list of arguments, ended by a NULL. */
struct list {
    char **items;
    size_t count, room;
};

static void append(struct list *list, const char *item)
{
    if (list->count + 1 >= list->room) {
        size_t room = list->room ? 2 * list->room : 256;
        char **items = allocate(room * sizeof *items);
        for (size_t i = 0; i < list->count; i++)
            items[i] = list->items[i];
        list->items = items;
        list->room = room;
    }
    /* execve(2) takes pointers to what it could write; nobody does. */
    list->items[list->count++] = (char *)item;
    list->items[list->count] = NULL;
}

static const char *base_name(const char *path)
{
    const char *base = path;
    for (; *path; path++)
        if (*path == '/')
            base = path + 1;
    return base;
}

static const char *parent(const char *path)
{
    const char *base = base_name(path);
    return copy(path, base > path + 1 ? (size_t)(base - path) - 1 : 1);
}

static const char *own_path(void)
{
    char *path = allocate(PATH_ROOM);
    long length = system_call(SYS_readlinkat, AT_FDCWD, (long)"/proc/self/exe", (long)path,
                              PATH_ROOM - 1, 0, 0);
    if (length <= 0) {
        print(2, "crossbuild launcher: cannot read /proc/self/exe\n", NULL, NULL);
        leave(127);
    }
    path[length] = 0;
    return path;
}

static const char *variable(char *const *environment, const char *name)
{
    size_t length = length_of(name);
    for (; *environment; environment++)
        if (starts_with(*environment, name) && (*environment)[length] == '=')
            return *environment + length + 1;
    return NULL;
}

static void execute(const char *path, char **words, char **environment)
{
    system_call(SYS_execve, (long)path, (long)words, (long)environment, 0, 0, 0);
}

int run(int count, char **arguments, char **environment);

/* The stack at the start: the count, the arguments, NULL, the environment, NULL (ELF psABI). */
__attribute__((noreturn, used)) void begin(long *stack)
{
    char **arguments = (char **)(stack + 1);
    leave(run((int)*stack, arguments, arguments + *stack + 1));
}

#endif
