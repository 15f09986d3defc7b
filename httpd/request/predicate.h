/*
 * What a rule wants of a request beside its path: "host=EXPRESSION", "!method=GET,HEAD".
 */
#ifndef HTTPD_REQUEST_PREDICATE_H
#define HTTPD_REQUEST_PREDICATE_H

#include "common/base/addr.h"
#include "common/base/mem.h"
#include "httpd/request/expression.h"
#include "httpd/wire/head.h"

/* A request, as predicates see it. */
struct http_asked {
    const struct http_head *head;
    struct keel_str query;        /* as the rules before left it */
    bool tls;                     /* it came over TLS */
    const struct keel_addr *peer; /* NULL: not known, an address of no list */
};
/* Its host, without a port and a final dot; may be empty. */
struct keel_str http_asked_host(const struct http_asked *asked);

enum http_predicate_kind {
    HTTP_IF_HOST,   /* without regard to case */
    HTTP_IF_QUERY,  /* as it was sent */
    HTTP_IF_HEADER, /* the value of any field of a name */
    HTTP_IF_METHOD,
    HTTP_IF_SCHEME,
    HTTP_IF_CLIENT,
};
struct http_predicate {
    enum http_predicate_kind kind;
    bool negated;
    struct http_expression *expression; /* HOST, QUERY, HEADER */
    struct keel_str text;               /* HEADER: the name; METHOD: "GET,HEAD" */
    bool tls;                           /* SCHEME */
    struct keel_prefix *prefixes;       /* CLIENT */
    unsigned prefix_count;
};

/* Reads one; text in the arena, the expression in the set. 0, KEEL_ENOMEM, or KEEL_EINVAL with
 * diag. */
int http_predicate_parse(struct http_expressions *expressions, struct keel_arena *arena,
                         struct keel_str text, struct http_predicate *out, struct keel_diag *diag);
/* Is it so? 1, and what its expression matched in *match if it has one and is not negated; 0; or a
 * negative status as http_expression_match. */
int http_predicate_test(struct http_expressions *expressions,
                        const struct http_predicate *predicate, const struct http_asked *asked,
                        struct http_match *match);

#endif
