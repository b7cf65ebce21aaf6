/* What GCC's users pass and clang does not take, or takes wrongly here: one row per quirk.
 *
 *   QUIRK(name, match, pattern, action, text)          an option of the compiler
 *   LINKER_QUIRK(name, match, pattern, action, text)   an option of the linker
 *
 * The first row that matches an argument decides; what no row matches goes to clang as it is.
 * That includes flags of other processors (-mavx2, -fcf-protection): clang refuses them as GCC
 * would, which is what a build script that probes for them needs to see.
 *
 *   match    EXACT    the argument is `pattern`
 *            PREFIX   the argument begins with `pattern`
 *            COUNT    the argument is `pattern` and a number
 *            INCLUDE  -I, -isystem or -idirafter of a directory of the image's C library
 *            LIBRARY  a path to the image's own copy of a library that the sysroot has
 *   action   KEEP     pass it as it is
 *            DROP     leave it out
 *            REPLACE  put the words of `text` in its place
 *            LINK     put -lNAME in its place
 *            ANSWER   print `text` and end well: the argument is a question
 *            REFUSE   end as GCC does on an option it does not know
 *
 * Every row has a test in tests/toolchain/test_quirks.py.
 */

/* The wheel runs on another machine than the one that builds it. */
QUIRK("march-native", EXACT, "-march=native", DROP, "")
QUIRK("mcpu-native", EXACT, "-mcpu=native", DROP, "")
QUIRK("mtune-native", EXACT, "-mtune=native", DROP, "")

/* Debian's CFLAGS say -g; wheels are published without debug information, which costs a fifth
 * of the compile time, and would hold build paths. */
QUIRK("debug", EXACT, "-g", DROP, "")
QUIRK("debug-level", PREFIX, "-g1", DROP, "")
QUIRK("debug-level-2", PREFIX, "-g2", DROP, "")
QUIRK("debug-level-3", PREFIX, "-g3", DROP, "")
QUIRK("debug-gdb", PREFIX, "-ggdb", DROP, "")
QUIRK("debug-dwarf", PREFIX, "-gdwarf", DROP, "")
QUIRK("debug-split", PREFIX, "-gsplit-dwarf", DROP, "")

/* zig brings no OpenMP runtime. Code that does not use OpenMP compiles; code that does must
 * fail, not silently run on one processor: the image's own compiler takes over then. */
QUIRK("openmp", EXACT, "-fopenmp", REPLACE, "-D_OPENMP=201511 -Werror=source-uses-openmp")
QUIRK("openmp-runtime", PREFIX, "-fopenmp=", REPLACE, "-D_OPENMP=201511 -Werror=source-uses-openmp")

/* The image's C library is newer than the target's. Its headers are searched last (clang.cfg)
 * and must not come first by name. */
QUIRK("include", INCLUDE, "", DROP, "")
QUIRK("library", LIBRARY, "", LINK, "")

/* GCC takes a number of jobs and knobs of its link-time optimiser. */
QUIRK("lto-jobs", COUNT, "-flto=", REPLACE, "-flto")
QUIRK("lto-partition", PREFIX, "-flto-partition=", DROP, "")
QUIRK("lto-compression", PREFIX, "-flto-compression-level=", DROP, "")

/* Knobs of GCC's optimiser and of its own analyses: code means the same without them. */
QUIRK("tree-vectorize", EXACT, "-ftree-vectorize", KEEP, "")
QUIRK("no-tree-vectorize", EXACT, "-fno-tree-vectorize", KEEP, "")
QUIRK("tree-slp-vectorize", EXACT, "-ftree-slp-vectorize", KEEP, "")
QUIRK("no-tree-slp-vectorize", EXACT, "-fno-tree-slp-vectorize", KEEP, "")
QUIRK("tree", PREFIX, "-ftree-", DROP, "")
QUIRK("no-tree", PREFIX, "-fno-tree-", DROP, "")
QUIRK("ipa", PREFIX, "-fipa-", DROP, "")
QUIRK("no-ipa", PREFIX, "-fno-ipa-", DROP, "")
QUIRK("ira", PREFIX, "-fira-", DROP, "")
QUIRK("no-ira", PREFIX, "-fno-ira-", DROP, "")
QUIRK("graphite", PREFIX, "-fgraphite", DROP, "")
QUIRK("var-tracking", PREFIX, "-fvar-tracking", DROP, "")
QUIRK("no-var-tracking", PREFIX, "-fno-var-tracking", DROP, "")
QUIRK("gnu-unique", EXACT, "-fno-gnu-unique", DROP, "")
QUIRK("conserve-stack", EXACT, "-fconserve-stack", DROP, "")
QUIRK("lifetime-dse", PREFIX, "-fno-lifetime-dse", DROP, "")
QUIRK("store-data-races", EXACT, "-fno-allow-store-data-races", DROP, "")
QUIRK("reorder", PREFIX, "-freorder-", DROP, "")
QUIRK("no-reorder", PREFIX, "-fno-reorder-", DROP, "")
QUIRK("section-anchors", EXACT, "-fsection-anchors", DROP, "")
QUIRK("no-section-anchors", EXACT, "-fno-section-anchors", DROP, "")
QUIRK("analyzer", EXACT, "-fanalyzer", DROP, "")
QUIRK("vect-cost-model", PREFIX, "-fvect-cost-model=", DROP, "")
QUIRK("simd-cost-model", PREFIX, "-fsimd-cost-model=", DROP, "")
QUIRK("schedule", PREFIX, "-fsched-", DROP, "")
QUIRK("no-schedule", PREFIX, "-fno-sched-", DROP, "")
QUIRK("volatile-bitfields", EXACT, "-fno-strict-volatile-bitfields", DROP, "")
QUIRK("no-toplevel-reorder", EXACT, "-fno-toplevel-reorder", DROP, "")
QUIRK("eval-order", PREFIX, "-fstrong-eval-order", DROP, "")
QUIRK("dump", PREFIX, "-fdump-", DROP, "")
QUIRK("abi-version", PREFIX, "-fabi-version=", DROP, "")
QUIRK("abi-compat-version", PREFIX, "-fabi-compat-version=", DROP, "")

#if !TARGET_X86
/* clang takes these for every processor, so a probe for them would succeed and its use fail. */
QUIRK("sse4", PREFIX, "-msse4", REFUSE, "")
#endif

/* GCC hands this to the linker. */
QUIRK("symbolic", EXACT, "-symbolic", REPLACE, "-Wl,-Bsymbolic")

/* The image's libraries may want a newer C library than the target's: the repair judges that. */
LINKER_QUIRK("allow-shlib-undefined", EXACT, "--no-allow-shlib-undefined", DROP, "")

/* Knobs of GNU ld and gold that change nothing in what is made, or are the only way lld has. */
LINKER_QUIRK("copy-dt-needed", EXACT, "--copy-dt-needed-entries", DROP, "")
LINKER_QUIRK("add-needed", EXACT, "--add-needed", DROP, "")
LINKER_QUIRK("no-add-needed", EXACT, "--no-add-needed", DROP, "")
LINKER_QUIRK("no-threads", EXACT, "--no-threads", DROP, "")
LINKER_QUIRK("memory", EXACT, "--reduce-memory-overheads", DROP, "")
LINKER_QUIRK("cortex-a53-835769", EXACT, "--fix-cortex-a53-835769", DROP, "")

/* Questions that clang does not know, or answers for itself and not for the target. */
QUIRK("print-multiarch", EXACT, "-print-multiarch", ANSWER, TARGET_TRIPLET)
QUIRK("print-multiarch-long", EXACT, "--print-multiarch", ANSWER, TARGET_TRIPLET)
QUIRK("dumpmachine", EXACT, "-dumpmachine", ANSWER, TARGET_TRIPLET)
QUIRK("dumpfullversion", EXACT, "-dumpfullversion", REPLACE, "-dumpversion")
