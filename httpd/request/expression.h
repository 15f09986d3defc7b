/*
 * Expressions in the syntax of Perl (pcre2pattern(3)), as rules of the configuration have them.
 *
 * One sees a text always from its beginning, and gives up after a bounded number of steps: whatever
 * it says, and whatever a client sends, the loop goes on. Nothing is compiled to machine code, so
 * that a worker never has memory that is both written and run.
 */
#ifndef HTTPD_REQUEST_EXPRESSION_H
#define HTTPD_REQUEST_EXPRESSION_H

#include "common/base/err.h"
#include "common/base/str.h"

#define HTTP_GROUPS 10 /* $0 to $9 */

struct http_expression;
/* All expressions of a configuration, and the room in which one at a time is matched. */
struct http_expressions;
/* Returns new, or NULL. */
struct http_expressions *http_expressions_new(void);
void http_expressions_free(struct http_expressions *expressions); /* NULL: nothing */

/* Compiles one, which belongs to the set; any_case: without regard to the case of ASCII letters. 0,
 * KEEL_ENOMEM, or KEEL_EINVAL with what is wrong, and in which column. */
int http_expression_compile(struct http_expressions *expressions, struct keel_str text,
                            bool any_case, struct http_expression **out, struct keel_diag *diag);
/* How many groups it has, beside the whole. */
unsigned http_expression_groups(const struct http_expression *expression);

/* What the groups matched: parts of the text; empty where one did not take part. */
struct http_match {
    struct keel_str groups[HTTP_GROUPS];
};
/* 1: it matches, and *match is set; 0; -500: it gave up; -503: no memory. */
int http_expression_match(struct http_expressions *expressions,
                          const struct http_expression *expression, struct keel_str text,
                          struct http_match *match);

#endif
