/*
 * What the files of the exchange share:
 *
 *     exchange.c         life, the chain of steps, how calls nest, and how it ends
 *     exchange_body.c    the request's body, from the carrier to the handler
 *     exchange_answer.c  the answer, from the handler to the carrier
 *     exchange_flow.c    the answer that filters change on its way
 *
 * Calls nest: a handler writes inside on_content, and the carrier may say that the client is gone
 * inside write. So whoever changes an exchange stands between http_exchange_enter and
 * http_exchange_leave: nothing is freed in between, and the outermost leave does what is due.
 */
#ifndef HTTPD_REQUEST_EXCHANGE_PRIVATE_H
#define HTTPD_REQUEST_EXCHANGE_PRIVATE_H

#include "httpd/request/exchange.h"
#include "httpd/request/filter.h"

void http_exchange_enter(struct http_exchange *x);
/* x may be freed in it. */
void http_exchange_leave(struct http_exchange *x);

/* Gives the exchange memory of its own. 0 or KEEL_ENOMEM. */
int http_exchange_keep(struct http_exchange *x);
/* Runs the steps from x->step on. */
enum http_verdict http_exchange_go(struct http_exchange *x, struct http_response *response);

/* It is over, and the handler has had its last word: on_gone is not called. */
void http_exchange_close(struct http_exchange *x);
/* Ends it over the handler's head: with this status, or broken off when an answer has begun. close:
 * the connection too. status 0: there is nobody to answer. */
void http_exchange_give_up(struct http_exchange *x, unsigned status, bool close);

/* To the carrier. A whole answer; the head of one whose body comes piece by piece, with its length
 * as it is sent, or -1; bytes of the body (x may be over then); the end: cut short, or with these
 * trailers. As the carrier's functions; KEEL_EINVAL: more than the length. */
int http_answer_whole(struct http_exchange *x, struct http_response *response);
int http_answer_head(struct http_exchange *x, struct http_response *response, int64_t length);
int http_answer_piece(struct http_exchange *x, const void *bytes, size_t n);
void http_answer_end(struct http_exchange *x, bool cut, struct keel_str trailers);

/* A whole answer that filters want goes as one that comes piece by piece, and the handler is done
 * with it. 1: so it was; 0: it stays whole, perhaps with another head; or KEEL_ENOMEM. */
int http_filtered_whole(struct http_exchange *x, struct http_response *response);
/* With x->flow: as http_exchange_write and http_exchange_end. */
int http_filtered_write(struct http_exchange *x, const void *bytes, size_t n);
void http_filtered_end(struct http_exchange *x, struct keel_str trailers);
/* What is due after a turn, or when output is welcome again. */
void http_filtered_go_on(struct http_exchange *x);

#endif
