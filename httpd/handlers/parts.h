/*
 * Several ranges of a file in one answer: multipart/byteranges (RFC 9110, 14.6). A few bytes are
 * put together in memory; more are read and sent slice by slice, and so is a whole file that
 * filters are to see.
 */
#ifndef HTTPD_HANDLERS_PARTS_H
#define HTTPD_HANDLERS_PARTS_H

#include "common/runtime/offload.h"
#include "httpd/handlers/entry.h"
#include "httpd/request/handler.h"
#include "httpd/wire/range.h"

/* What x->state of an exchange that waits for a file begins with. */
struct http_file_state {
    void (*on_drained)(struct http_exchange *x); /* may be NULL */
    void (*on_gone)(struct http_exchange *x);
};

/* The head of a 206 about the entry, whose body has `length` bytes; content: the field lines that
 * tell its Content-Type and Content-Range. Leaves the body and its owner alone. 0 or KEEL_ENOMEM.
 */
int http_parts_head(struct http_response *response, struct http_request *request,
                    const struct http_entry *entry, struct keel_str content, uint64_t length);
/* Answers with those parts of the entry, of which there are at least two. HTTP_DONE: the response
 * has them. HTTP_LATER: the exchange is kept, with a struct http_file_state as its state, holds the
 * entry, and ends by itself; the pool reads. HTTP_NEXT: the whole is to be sent: the parts are more
 * bytes than that, or memory is out, or more is needed than fits into memory and x, which may be
 * NULL, is. */
enum http_verdict http_parts_respond(struct http_request *request, struct http_exchange *x,
                                     struct keel_offload *pool, struct http_entry *entry,
                                     const struct http_range *ranges, unsigned count,
                                     struct http_response *response);
/* Answers with the whole of an entry that has a descriptor, behind the head in *response, through
 * the filters of the location. HTTP_LATER, as above, or HTTP_NEXT: memory is out. */
enum http_verdict http_parts_respond_whole(struct http_exchange *x, struct keel_offload *pool,
                                           struct http_entry *entry,
                                           struct http_response *response);

#endif
