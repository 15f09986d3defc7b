/*
 * The cases of tests/corpus/http (its README has the format), and how an HTTP/1 connection reads
 * them: what happened, as text that two runs can be compared by.
 */
#ifndef KEEL_TESTS_HTTP_CORPUS_H
#define KEEL_TESTS_HTTP_CORPUS_H

#include <stdio.h>

#include "common/base/buf.h"
#include "httpd/conn/h1.h"

#define HTTP_CASE_STATUSES 64

struct http_case {
    char name[256];
    struct keel_buf bytes;
    unsigned statuses[HTTP_CASE_STATUSES]; /* of final answers */
    unsigned count;
    char end; /* 'k' keep, 'c' close, 'd' drop, 'w' wait */
};

/* Calls on_case with every case of a file that has an HTTP/1 form. A line that cannot be read ends
 * the program with a message. */
void http_corpus_read(const char *path, void (*on_case)(const struct http_case *c, void *arg),
                      void *arg);

/* What a connection read: "Rpath " a request, "Cbytes " content (runs joined), "E " its end, "Bnnn
 * " malformed. */
struct h1_trace {
    struct keel_buf text;
    unsigned answers; /* that the daemon gives */
    unsigned status;  /* of the answer to what was malformed; 0: nothing was */
    bool content;     /* the last event was one */
    size_t discard;   /* > 0: closes where the daemon does that has no use for content, with this
                         limit of what it reads over */
};
void h1_trace_fini(struct h1_trace *trace);
/* As a stream does it: offers the bytes that are there, in memory of just that size. Returns how
 * many were used. */
size_t h1_trace_offer(struct h1_trace *trace, struct http_h1 *h1,
                      const struct http_head_limits *limits, const void *bytes, size_t size);

#endif
