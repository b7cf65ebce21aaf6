/* gfortran of an emulated build: Debian's cross compiler, linking as the C compilers do.
 *
 * GCC's driver finds its own parts beside itself; what it links with is the toolchain's C library
 * of the target's floor, by the toolchain's linker. Fortran's own library goes into what is
 * linked, hidden: that of a distribution needs a newer C library, and no system promises one. The
 * unwinder is the system's, as with C++: GCC's static one needs a newer C library, too.
 *
 * Compiled with -DCOMPILER="…" (the program), -DTOOLS="…" (the C toolchain).
 */

#include "system.h"

/* As in quirks.h: the wheel runs elsewhere, and is published without debug information. */
static int is_dropped(const char *argument)
{
    return equal(argument, "-march=native") || equal(argument, "-mcpu=native") ||
           equal(argument, "-mtune=native") || equal(argument, "-g") ||
           equal(argument, "-static-libgcc");
}

int run(int count, char **arguments, char **environment)
{
    struct list command = {0};
    append(&command, COMPILER);
    /* Before the caller's own: CMake names the image's directory where C and Fortran meet. */
    append(&command, "-L" TOOLS "/floor/lib");
    for (int i = 1; i < count; i++)
        if (!is_dropped(arguments[i]))
            append(&command, arguments[i]);
    append(&command, "-B" TOOLS "/bin/");
    append(&command, "--sysroot=" TOOLS "/sysroot");
    append(&command, "-fno-use-linker-plugin");
    append(&command, "-static-libgfortran");
    append(&command, "-shared-libgcc");
    execute(COMPILER, command.items, environment);
    print(2, "crossbuild: cannot execute ", COMPILER, "\n");
    return 127;
}
