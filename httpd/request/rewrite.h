/*
 * Rewriting: a path becomes another one, or the target of a redirect, by expressions in the syntax
 * of Perl (pcre2pattern(3)).
 *
 * An expression sees the decoded path, always from its beginning, and gives up after a bounded
 * number of steps: whatever it says, and whatever path a client sends, the loop goes on. Nothing is
 * compiled to machine code, so that a worker never has memory that is both written and run.
 */
#ifndef HTTPD_REQUEST_REWRITE_H
#define HTTPD_REQUEST_REWRITE_H

#include "common/base/err.h"
#include "common/base/mem.h"
#include "common/base/str.h"

struct http_expression;

struct http_rewrite {
    struct http_expression *expression; /* of the rewriter */
    struct keel_str target;             /* with $0 to $9 and $$ */
    unsigned status;                    /* 301, 302, 303, 307 or 308: a redirect; 0: inside */
    bool last;                          /* when it matches, no rule behind it is tried */
};
struct http_rewrites {
    struct http_rewrite *items;
    unsigned count;
};

/* What all rules share: the expressions, and the room in which one at a time is matched. */
struct http_rewriter;
/* Returns new, or NULL. */
struct http_rewriter *http_rewriter_new(void);
void http_rewriter_free(struct http_rewriter *rewriter);

/* "EXPRESSION TARGET", with "last" or the status of a redirect behind it. Fills *rule, with text in
 * the arena. 0, KEEL_ENOMEM, or KEEL_EINVAL with what is wrong, and in which column of the
 * expression. */
int http_rewrite_compile(struct http_rewriter *rewriter, struct keel_arena *arena,
                         struct keel_str text, struct http_rewrite *rule, struct keel_diag *diag);

/* A path and query on their way through the rules. */
struct http_rewritten {
    struct keel_str path, query; /* decoded and normalised; as sent */
    struct keel_str location;    /* of a redirect: a URI reference */
};
/* Tries the rules in order, each on what the one before it made. Text is in the arena. Returns 0
 * (none matched), 1 (path and query are new), the status of a redirect, or a negative status: -400
 * (the new path has dot segments), -500 (an expression gave up), -503. */
int http_rewrite_apply(struct http_rewriter *rewriter, const struct http_rewrites *rules,
                       struct keel_arena *arena, struct http_rewritten *state);

#endif
