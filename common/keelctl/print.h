/*
 * A reply for the eye: tables for lists of objects, `key: value` for objects, text as it is.
 * Bytes that could steer a terminal are shown escaped.
 */
#ifndef KEEL_KEELCTL_PRINT_H
#define KEEL_KEELCTL_PRINT_H

#include "common/base/buf.h"

#include <jansson.h>
#include <stdbool.h>

/* Appends; 0 or the buffer's error. A list "detail" in an object names fields of it, and of tables
 * in it, that are left out unless it is to be wide. */
int keelctl_print(const json_t *result, bool wide, struct keel_buf *out);
/* Untrusted text on one line. */
void keelctl_print_text(const char *text, struct keel_buf *out);

#endif
