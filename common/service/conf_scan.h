/*
 * The words and signs of a configuration text, with their lines. Private to conf.
 *
 * The syntax is libconfuse's with the surprises taken out: nothing is dropped silently, variables
 * are not expanded, nothing is included, a quoted text ends on its line.
 */
#ifndef KEEL_SERVICE_CONF_SCAN_H
#define KEEL_SERVICE_CONF_SCAN_H

#include "common/base/buf.h"

enum conf_token {
    CONF_END,    /* of the text */
    CONF_WORD,   /* bare word */
    CONF_TEXT,   /* quoted text, escapes resolved */
    CONF_OPEN,   /* { */
    CONF_CLOSE,  /* } */
    CONF_ASSIGN, /* = */
    CONF_APPEND, /* += */
    CONF_COMMA,  /* , */
    CONF_BAD,    /* `problem` says why */
};

struct conf_scanner {
    const char *next;     /* borrowed text, NUL-terminated */
    int line;             /* of the token that was read last, from 1 */
    int line_next;        /* where the next one is looked for */
    struct keel_buf text; /* of CONF_WORD and CONF_TEXT; NUL-terminated, never holds a NUL */
    char problem[160];
};

void conf_scan_init(struct conf_scanner *s, const char *text);
void conf_scan_fini(struct conf_scanner *s);
/* The next token. After CONF_BAD and CONF_END the same again. */
enum conf_token conf_scan(struct conf_scanner *s);
/* How a person would name it: "{", the end of the file, the word itself. Borrows. */
const char *conf_scan_name(const struct conf_scanner *s, enum conf_token token);

#endif
