/*
 * Header rules: what the configuration adds to responses, sets in them and takes out of them.
 *
 * Where no rule can meet a field that a handler sends, the lines stand ready-made in every head and
 * cost nothing. Else each head of the location is edited on its way out.
 */
#ifndef HTTPD_REQUEST_HEADERS_H
#define HTTPD_REQUEST_HEADERS_H

#include "common/base/err.h"
#include "common/base/mem.h"
#include "common/base/str.h"

enum http_header_op {
    HTTP_HEADER_SET,    /* "Name: value": the response has it with this value alone */
    HTTP_HEADER_ADD,    /* "+Name: value": beside what there is */
    HTTP_HEADER_REMOVE, /* "-Name" */
};
struct http_header_rule {
    enum http_header_op op;
    struct keel_str name, value;
};
struct http_header_rules {
    struct http_header_rule *items;
    unsigned count;
};
/* Reads one, which borrows the text. 0, or KEEL_EINVAL with what is wrong. */
int http_header_rule_parse(struct keel_str text, struct http_header_rule *rule,
                           struct keel_diag *diag);
/* The field lines of all rules that set or add, in the arena; p NULL: no memory. */
struct keel_str http_header_rules_lines(const struct http_header_rules *rules,
                                        struct keel_arena *arena);
/* True when a rule may meet a field of httpd's own handlers: then heads have to be edited. */
bool http_header_rules_edit(const struct http_header_rules *rules);

/* All pieces, one behind the other, and a NUL that is not counted. In the arena; p NULL: no memory.
 */
struct keel_str http_head_join(const struct keel_str *pieces, unsigned count,
                               struct keel_arena *arena);
/* A head (status line and field lines, each with CRLF) without the fields that rules set or remove,
 * with `lines` and the empty line behind it, which is not counted. In the arena; p NULL: no memory.
 */
struct keel_str http_head_edit(struct keel_str head, const struct http_header_rules *rules,
                               struct keel_str lines, struct keel_arena *arena);

#endif
