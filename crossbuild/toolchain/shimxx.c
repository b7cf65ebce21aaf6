/* What newer libstdc++.so.6 offer and the target's may not: what newer GCCs call for C++.
 *
 * The names are those of the C++ ABI; each is an older function of that library in other words.
 * Compiled with STUB, this is a library with those alone, to link with: nobody else has one.
 */

#include <stddef.h>

/* Weak: Python has the loader find all symbols at once, and the oldest of those libraries lack
 * some, which then nothing calls.
 */

#ifdef STUB
#define OLDER(result, name, ...) result name(__VA_ARGS__) { __builtin_trap(); }
#else
#define OLDER(result, name, ...) result name(__VA_ARGS__) __attribute__((weak));
#endif

OLDER(void, _ZSt17__throw_bad_allocv, void)
OLDER(void, _ZSt20__throw_out_of_rangePKc, const char *text)
OLDER(void, _ZdlPv, void *what)
OLDER(void, _ZdaPv, void *what)
#ifndef STUB
void __cxa_throw_bad_array_new_length(void) { _ZSt17__throw_bad_allocv(); }
void _ZSt28__throw_bad_array_new_lengthv(void) { _ZSt17__throw_bad_allocv(); }
void _ZSt24__throw_out_of_range_fmtPKcz(const char *text, ...)
{ _ZSt20__throw_out_of_rangePKc(text); }
void _ZdlPvm(void *what, size_t size) { (void)size, _ZdlPv(what); }
void _ZdaPvm(void *what, size_t size) { (void)size, _ZdaPv(what); }
#endif

/* An exception is moved by copying it. */
#define COPIED(class)                                                                          \
    OLDER(void, _ZNSt##class##C1ERKS_, void *to, const void *from)                             \
    OLDER(void, _ZNSt##class##C2ERKS_, void *to, const void *from)                             \
    OLDER(void *, _ZNSt##class##aSERKS_, void *to, const void *from)
#define MOVED(class)                                                                           \
    void _ZNSt##class##C1EOS_(void *to, void *from) { _ZNSt##class##C1ERKS_(to, from); }       \
    void _ZNSt##class##C2EOS_(void *to, void *from) { _ZNSt##class##C2ERKS_(to, from); }       \
    void *_ZNSt##class##aSEOS_(void *to, void *from)                                           \
    { return _ZNSt##class##aSERKS_(to, from); }
COPIED(13runtime_error)
COPIED(11logic_error)
#ifndef STUB
MOVED(13runtime_error)
MOVED(11logic_error)
#endif

/* A stream is opened without saying how: std::ios_base::in is 8, out is 16. */
#define STREAM(class) _ZNSt7__cxx11##class##IcSt11char_traitsIcESaIcEEC1
#define JOINED(one, other) one##other
#define NAMED(one, other) JOINED(one, other)
#define SAID(class) NAMED(STREAM(class), ESt13_Ios_Openmode)
#define OPENED(class, how) void NAMED(STREAM(class), Ev)(void *stream) { SAID(class)(stream, how); }
OLDER(void, SAID(18basic_stringstream), void *stream, int how)
OLDER(void, SAID(19basic_istringstream), void *stream, int how)
OLDER(void, SAID(19basic_ostringstream), void *stream, int how)
#ifndef STUB
OPENED(18basic_stringstream, 24)
OPENED(19basic_istringstream, 8)
OPENED(19basic_ostringstream, 16)
#endif
