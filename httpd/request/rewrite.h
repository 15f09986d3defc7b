/*
 * Rewriting: a path becomes another one, the target of a redirect, or an error, by expressions and
 * by conditions on the rest of the request.
 */
#ifndef HTTPD_REQUEST_REWRITE_H
#define HTTPD_REQUEST_REWRITE_H

#include "common/base/err.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "httpd/request/predicate.h"

#define HTTP_PREDICATES 8 /* most conditions of a rule */

/* A part of a target: text, and then what a group matched, or the host. */
struct http_target_part {
    struct keel_str text;
    uint8_t source; /* enum of rewrite.c */
    uint8_t group;
};
struct http_rewrite {
    struct http_expression *expression; /* of the path */
    struct http_predicate *conditions;  /* all must be fulfilled */
    unsigned condition_count;
    struct keel_str target;         /* as written; empty: an error is the answer */
    struct http_target_part *parts; /* of it */
    unsigned part_count;
    unsigned status; /* 301, 302, 303, 307 or 308: a redirect; 4xx, 503: an error; 0: inside */
    bool last;       /* when it matches, no rule behind it is tried */
    bool wants_host; /* the target has ${host}: it is for no request without one */
};
struct http_rewrites {
    struct http_rewrite *items;
    unsigned count;
};

/* "EXPRESSION TARGET", with "last" or the status of a redirect behind it, or "EXPRESSION STATUS";
 * then perhaps "if CONDITION CONDITION ...". Fills *rule, with text in the arena. 0, KEEL_ENOMEM,
 * or KEEL_EINVAL with what is wrong, and in which column of an expression. */
int http_rewrite_compile(struct http_expressions *expressions, struct keel_arena *arena,
                         struct keel_str text, struct http_rewrite *rule, struct keel_diag *diag);

/* A path and query on their way through the rules. */
struct http_rewritten {
    struct keel_str path, query; /* decoded and normalised; as sent */
    struct keel_str location;    /* of a redirect: a URI reference */
};
/* Tries the rules in order, each on what the one before it made; asked->query is that of *state.
 * Text is in the arena. Returns 0 (none matched), 1 (path and query are new), the status of a
 * redirect, or a negative status: -4xx or -503 of a rule, -400 (the new path has dot segments),
 * -500 (an expression gave up), -503 (no memory). */
int http_rewrite_apply(struct http_expressions *expressions, const struct http_rewrites *rules,
                       struct keel_arena *arena, struct http_asked *asked,
                       struct http_rewritten *state);

#endif
