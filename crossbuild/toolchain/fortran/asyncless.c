/* What stands in libgfortran.a for its asynchronous input and output.
 *
 * Debian's member for it is the only one that cannot be linked into a shared library (it counts
 * on being in the program itself). A system without threads has none of it, and then the library
 * transfers at once, which the standard allows (ISO/IEC 1539-1, "Data transfer statements"): a
 * unit that has no asynchronous part is never handed to the functions after the first.
 */

#define PART(name) _gfortrani_##name
#define HIDDEN __attribute__((visibility("hidden")))

HIDDEN _Thread_local void *thread_unit;

HIDDEN void PART(init_async_unit)(void *unit) { (void)unit; }

HIDDEN void PART(async_close)(void *unit) { (void)unit; }
HIDDEN _Bool PART(async_wait)(void *common, void *unit) { (void)common; (void)unit; return 0; }
HIDDEN _Bool PART(async_wait_id)(void *common, void *unit, int id)
{
    (void)common; (void)unit; (void)id;
    return 0;
}
HIDDEN _Bool PART(collect_async_errors)(void *common, void *unit)
{
    (void)common; (void)unit;
    return 0;
}
HIDDEN void PART(enqueue_close)(void *unit) { (void)unit; }
HIDDEN void PART(enqueue_data_transfer_init)(void *unit, void *transfer, int read)
{
    (void)unit; (void)transfer; (void)read;
}
HIDDEN void PART(enqueue_done)(void *unit, int kind) { (void)unit; (void)kind; }
HIDDEN int PART(enqueue_done_id)(void *unit, int kind) { (void)unit; (void)kind; return 0; }
HIDDEN void PART(enqueue_transfer)(void *unit, void *argument, int kind)
{
    (void)unit; (void)argument; (void)kind;
}
