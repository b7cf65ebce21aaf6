/* Response files: `@file` stands for the arguments in it, quoted as GCC reads them.
 *
 * Whitespace separates; single and double quotes join; a backslash takes the next character as
 * it is, inside quotes too (GCC manual, "Overall Options", @file). What cannot be read stays.
 */

#ifndef CROSSBUILD_RESPONSE_H
#define CROSSBUILD_RESPONSE_H

#include "system.h"

enum { DEEPEST = 16 };

/* The whole file, ended by a zero; NULL if it cannot be read. */
static char *content(const char *path)
{
    long file = system_call(SYS_openat, AT_FDCWD, (long)path, 0, 0, 0, 0);
    if (file < 0)
        return NULL;
    size_t room = 1 << 16, size = 0;
    char *text = allocate(room);
    for (;;) {
        long step = system_call(SYS_read, file, (long)(text + size), (long)(room - size - 1),
                                0, 0, 0);
        if (step <= 0) {
            system_call(SYS_close, file, 0, 0, 0, 0, 0);
            text[size] = 0;
            return step < 0 ? NULL : text;
        }
        size += (size_t)step;
        if (size + 1 == room) {
            char *larger = allocate(2 * room);
            for (size_t i = 0; i < size; i++)
                larger[i] = text[i];
            text = larger;
            room *= 2;
        }
    }
}

static int is_space(char letter)
{
    return letter == ' ' || (letter >= '\t' && letter <= '\r');
}

/* Take one argument off the text, in place; NULL at the end. */
static char *next_argument(char **rest)
{
    char *from = *rest;
    while (is_space(*from))
        from++;
    if (!*from)
        return NULL;
    char *start = from, *to = from, quote = 0;
    for (; *from && (quote || !is_space(*from)); from++) {
        if (*from == '\\' && from[1])
            *to++ = *++from;
        else if (quote ? *from == quote : *from == '\'' || *from == '"')
            quote = quote ? 0 : *from;
        else
            *to++ = *from;
    }
    *rest = *from ? from + 1 : from;
    *to = 0;
    return start;
}

static void expand(struct list *list, char *argument, int depth)
{
    char *text = *argument == '@' && depth < DEEPEST ? content(argument + 1) : NULL;
    if (!text) {
        append(list, argument);
        return;
    }
    for (char *inner; (inner = next_argument(&text));)
        expand(list, inner, depth + 1);
}

/* The arguments with every response file in its place replaced by what it holds. */
static char *const *expanded(char *const *arguments)
{
    struct list list = {NULL, 0, 0};
    for (; *arguments; arguments++)
        expand(&list, *arguments, 0);
    static char *const none[] = {NULL};
    return list.count ? list.items : none;
}

#endif
