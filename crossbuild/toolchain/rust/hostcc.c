/* The linker of build scripts and procedural macros: GCC of the host's processor, mounted apart.
 *
 * They run in the target's container, which has no C library of the host: what is linked here
 * finds the one beside Rust. Compiled with -DROOT="…" -DLIBRARIES="…" -DLOADER="…".
 */

#include "system.h"

int run(int count, char **arguments, char **environment)
{
    struct list command = {0};
    append(&command, ROOT "/usr/bin/gcc");
    append(&command, "--sysroot=" ROOT);
    append(&command, "-B" ROOT "/usr/bin/");
    append(&command, "-Wl,--dynamic-linker=" LOADER);
    append(&command, "-Wl,-rpath," LIBRARIES);
    for (int i = 1; i < count; i++)
        append(&command, arguments[i]);
    execute(ROOT "/usr/bin/gcc", command.items, environment);
    print(2, "crossbuild: cannot execute ", ROOT "/usr/bin/gcc", "\n");
    return 127;
}
