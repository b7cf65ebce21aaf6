/* The compiler that emulated builds find under every usual name: a front to zig's clang and lld.
 *
 * An emulated build calls `cc`, `aarch64-linux-gnu-gcc`, `ar`…; each name is a hard link to this
 * program, which is native to the host, so the kernel runs it without emulation. It translates
 * what GCC's users pass (quirks.h) and becomes zig. A shell script would be emulated each time.
 *
 * Layout, found through /proc/self/exe:  ROOT/bin/<names>  ROOT/clang.cfg  ROOT/zig -> zig
 *
 * CROSSBUILD_LAUNCHER in the environment, for tests and for making the links:
 *   print   print what would be executed, a word a line
 *   names   print the names to link
 *   quirks  print the names of the rows of the table
 *
 * Freestanding: it must be static, and a static C library is 40 s of work for zig the first time.
 * Compiled with -DTARGET_TRIPLET="…" -DTARGET_X86=0|1.
 */

#include "response.h"
#include "system.h"

#ifndef TARGET_TRIPLET
#error "TARGET_TRIPLET is the Debian multiarch triplet, for example aarch64-linux-gnu"
#endif

enum tool { COMPILER, LINKER };
enum match { EXACT, PREFIX, COUNT, INCLUDE, LIBRARY };
enum action { KEEP, DROP, REPLACE, LINK, ANSWER, REFUSE };

struct quirk {
    enum tool tool;
    const char *name;
    enum match match;
    const char *pattern;
    enum action action;
    const char *text;
};

#define QUIRK(...) {COMPILER, __VA_ARGS__},
#define LINKER_QUIRK(...) {LINKER, __VA_ARGS__},
static const struct quirk quirks[] = {
#include "quirks.h"
};
#undef QUIRK
#undef LINKER_QUIRK

/* Which tool of zig a name is; `mode` is clang's --driver-mode, NULL for the other tools. */
struct name {
    const char *name;
    const char *tool;
    const char *mode;
};

static const struct name names[] = {
    {"cc", "clang", "gcc"},         {"gcc", "clang", "gcc"},
    {"clang", "clang", "gcc"},      {"c++", "clang", "g++"},
    {"g++", "clang", "g++"},        {"clang++", "clang", "g++"},
    {"cpp", "clang", "cpp"},        {"ar", "ar", NULL},
    {"gcc-ar", "ar", NULL},         {"llvm-ar", "ar", NULL},
    {"ranlib", "ranlib", NULL},     {"gcc-ranlib", "ranlib", NULL},
    {"llvm-ranlib", "ranlib", NULL}, {"ld", "ld.lld", NULL},
    {"ld.lld", "ld.lld", NULL},
};

/* Options whose next argument is theirs and no option. */
static const char *const with_value[] = {
    "-o",       "-x",        "-D",         "-U",     "-I",           "-L",
    "-l",       "-T",        "-u",         "-z",     "-e",           "-MF",
    "-MT",      "-MQ",       "-include",   "-imacros", "-iquote",    "-isystem",
    "-idirafter", "-iprefix", "-isysroot", "-Xlinker", "-Xclang",    "-Xassembler",
    "-Xpreprocessor", "-aux-info", "--param", "-dumpbase", "-dumpdir", "-target",
};

static const char *const image_includes[] = {"/usr/include", "/usr/include/" TARGET_TRIPLET};
static const char *const image_libraries[] = {
    "/usr/lib/" TARGET_TRIPLET, "/lib/" TARGET_TRIPLET, "/usr/lib", "/lib",
};
/* The libraries that glibc consists of (sysroot.py makes a stub of each). */
static const char *const libc_parts[] = {"c", "m", "pthread", "dl", "rt", "util", "resolv"};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The command line being made. */
static struct list command;

static void add(const char *word)
{
    append(&command, word);
}

static void add_words(const char *text)
{
    while (*text) {
        size_t length = 0;
        while (text[length] && text[length] != ' ')
            length++;
        add(copy(text, length));
        text += length + (text[length] == ' ');
    }
}

/* Whether two paths are the same but for repeated and trailing slashes. */
static int same_path(const char *path, const char *clean)
{
    while (*path) {
        if (*path == '/' && (path[1] == '/' || path[1] == 0)) {
            path++;
            continue;
        }
        if (*path++ != *clean++)
            return 0;
    }
    return *clean == 0;
}

static int is_any_path(const char *path, const char *const *clean, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (same_path(path, clean[i]))
            return 1;
    return 0;
}

/* The directory that an include option names, or NULL for any other argument. */
static const char *include_directory(const char *argument, const char *value)
{
    static const char *const options[] = {"-isystem", "-idirafter", "-I"};
    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (starts_with(argument, options[i]))
            return value ? value : argument + length_of(options[i]);
    return NULL;
}

/* NAME if the path is the image's libNAME.so or libNAME.a of its C library, else NULL. */
static const char *libc_part(const char *path)
{
    const char *base = base_name(path);
    if (base == path || *path != '/' || !starts_with(base, "lib"))
        return NULL;
    const char *directory = copy(path, (size_t)(base - path));
    if (!is_any_path(directory, image_libraries, COUNT_OF(image_libraries)))
        return NULL;
    for (size_t i = 0; i < COUNT_OF(libc_parts); i++) {
        size_t length = length_of(libc_parts[i]);
        const char *suffix = base + 3 + length;
        if (starts_with(base + 3, libc_parts[i]) &&
            (equal(suffix, ".a") || equal(suffix, ".so") || starts_with(suffix, ".so.")))
            return libc_parts[i];
    }
    return NULL;
}

static int is_number(const char *text)
{
    if (!*text)
        return 0;
    while (*text >= '0' && *text <= '9')
        text++;
    return *text == 0;
}

static int matches(const struct quirk *quirk, const char *argument, const char *value)
{
    const char *directory;
    switch (quirk->match) {
    case EXACT:
        return !value && equal(argument, quirk->pattern);
    case PREFIX:
        return !value && starts_with(argument, quirk->pattern);
    case COUNT:
        return !value && starts_with(argument, quirk->pattern) &&
               is_number(argument + length_of(quirk->pattern));
    case INCLUDE:
        directory = include_directory(argument, value);
        return directory && is_any_path(directory, image_includes, COUNT_OF(image_includes));
    case LIBRARY:
        return !value && libc_part(argument) != NULL;
    }
    return 0;
}

static void keep(const char *argument, const char *value)
{
    add(argument);
    if (value)
        add(value);
}

static void apply(const struct quirk *quirk, const char *argument, const char *value)
{
    switch (quirk->action) {
    case KEEP:
        keep(argument, value);
        break;
    case DROP:
        break;
    case REPLACE:
        add_words(quirk->text);
        break;
    case LINK:
        add(join("-l", libc_part(argument)));
        break;
    case ANSWER:
        print(1, quirk->text, "\n", NULL);
        leave(0);
    case REFUSE:
        print(2, "error: unrecognized command-line option '", argument, "'\n");
        leave(1);
    }
}

/* One argument with its value, if it is of the kind that has one. */
static void translate(enum tool tool, const char *argument, const char *value)
{
    for (size_t i = 0; i < COUNT_OF(quirks); i++)
        if (quirks[i].tool == tool && matches(&quirks[i], argument, value)) {
            apply(&quirks[i], argument, value);
            return;
        }
    keep(argument, value);
}

static int has_value(const char *argument)
{
    for (size_t i = 0; i < COUNT_OF(with_value); i++)
        if (equal(argument, with_value[i]))
            return 1;
    return 0;
}

static void translate_all(char *const *arguments)
{
    for (; *arguments; arguments++) {
        const char *value = has_value(*arguments) ? arguments[1] : NULL;
        translate(COMPILER, *arguments, value);
        if (value)
            arguments++;
    }
}

/* clang calls the linker through this program too (--ld-path): its options are met one by one
 * there, whether they came as -Wl,a,b or -Xlinker.
 *
 * Libraries that nothing refers to would only have to be grafted. Those of the image may want a
 * newer C library than the target's: that is for the wheel's repair to judge. GNU ld lets a
 * version script name symbols that are not there. */
static void translate_linking(char *const *arguments)
{
    add("--as-needed");
    add("--allow-shlib-undefined");
    add("--undefined-version");
    for (; *arguments; arguments++)
        translate(LINKER, *arguments, NULL);
}

static const struct name *find_name(const char *called)
{
    const char *name = base_name(called);
    if (starts_with(name, TARGET_TRIPLET "-"))
        name += length_of(TARGET_TRIPLET "-");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (equal(name, names[i].name))
            return &names[i];
    print(2, "crossbuild launcher: there is no tool named ", called, "\n");
    leave(127);
}

static void print_names(void)
{
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        print(1, names[i].name, "\n", NULL);
        print(1, TARGET_TRIPLET "-", names[i].name, "\n");
    }
}

static void print_command(void)
{
    for (size_t i = 0; i < command.count; i++)
        print(1, command.items[i], "\n", NULL);
}

/* Make the command line for a tool that lives in `root`. */
static void compose(const struct name *name, const char *root, char *const *arguments)
{
    add("zig");
    add(name->tool);
    if (name->mode) {
        add(join("--driver-mode=", name->mode));
        add("--no-default-config");
        add(join(join("--config=", root), "/clang.cfg"));
        /* The driver reads its own warnings before the configuration. GCC is silent about
         * options that do not apply, and -Werror would make errors of them. */
        add("-Wno-unused-command-line-argument");
        add("-Wno-ignored-optimization-argument");
        translate_all(expanded(arguments));
        return;
    }
    if (equal(name->tool, "ld.lld")) {
        translate_linking(expanded(arguments));
    } else {
        for (; *arguments; arguments++)
            add(*arguments);
    }
    if (equal(name->name, "ld")) {
        /* GNU ld searches these by itself; clang's own calls of ld.lld bring theirs. */
        add(join(join("-L", root), "/sysroot/usr/lib"));
        add("-L/usr/lib/" TARGET_TRIPLET);
    }
}

int run(int count, char **arguments, char **environment)
{
    const char *mode = variable(environment, "CROSSBUILD_LAUNCHER");
    if (mode && equal(mode, "names")) {
        print_names();
        return 0;
    }
    if (mode && equal(mode, "quirks")) {
        for (size_t i = 0; i < COUNT_OF(quirks); i++)
            print(1, quirks[i].name, "\n", NULL);
        return 0;
    }
    if (count < 1)
        return 127;
    const char *root = parent(parent(own_path()));
    compose(find_name(arguments[0]), root, arguments + 1);
    if (mode && equal(mode, "print")) {
        print_command();
        return 0;
    }
    const char *zig = join(root, "/zig");
    execute(zig, command.items, environment);
    print(2, "crossbuild launcher: cannot execute ", zig, "\n");
    return 127;
}
