/*
 * The filters that one answer passes on its way from the handler to the carrier. When they run, and
 * on how much, is the exchange's business.
 */
#ifndef HTTPD_REQUEST_FILTER_H
#define HTTPD_REQUEST_FILTER_H

#include "httpd/request/handler.h"

#define HTTP_FILTERS_MAX 8 /* of a location */

struct http_flow {
    struct keel_list due; /* in host->due */
    struct http_exchange *x;
    struct {
        const struct http_filter *filter;
        void *state;
    } items[HTTP_FILTERS_MAX];
    unsigned count;
    struct keel_buf pending;   /* written, but not filtered yet */
    struct keel_buf out, next; /* of one piece, and of the filter before the last */
    struct keel_str trailers;
    int64_t promised; /* the length of the body behind the filters, or -1 */
    uint64_t length;  /* that the handler has still to write, if it said so */
    bool counted;
    size_t taken;   /* bytes in this turn */
    bool blocked;   /* the carrier wants no more for now */
    bool waiting;   /* the handler is to hear when more is welcome */
    bool unflushed; /* a filter may hold something back */
    bool ending;    /* nothing more is written */
};

/* The length of the body as a whole response's head says, or -1. */
int64_t http_flow_length(const struct http_response *response);

/* Shows the head to the filters of x's location. Those that want the body make up x->flow; *length
 * is what the body will have then. 1; 0: none does; or KEEL_ENOMEM. */
int http_flow_ask(struct http_exchange *x, struct http_response *response, int64_t *length);
/* The same where it was not done before, for an answer that is about to be sent: one without a body
 * has no flow. 0 or KEEL_ENOMEM. */
int http_flow_new(struct http_exchange *x, struct http_response *response, int64_t *length);
/* There may be none. */
void http_flow_free(struct http_exchange *x);
/* Takes n bytes off what the handler promised; false: they are more. */
bool http_flow_takes(struct http_flow *flow, size_t n);
/* Leaves in flow->out what comes of the bytes. 0, KEEL_ENOMEM, or a filter's error. */
int http_flow_pass(struct http_flow *flow, const void *bytes, size_t n, enum http_piece piece);

#endif
