/* Run the destructors of a library's static objects when it is unloaded, as GCC's crtbeginS.o
 * does (Itanium C++ ABI, section 3.3.6.3). lld defines __dso_handle. */

extern char __dso_handle __attribute__((visibility("hidden")));
extern void __cxa_finalize(void *) __attribute__((weak));

__attribute__((destructor)) static void finalize(void)
{
    if (__cxa_finalize)
        __cxa_finalize(&__dso_handle);
}
