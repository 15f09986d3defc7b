/*
 * HTTP/2 on a connection: what serve.c hands over once a client speaks it.
 */
#ifndef HTTPD_SERVE_SERVE_H2_H
#define HTTPD_SERVE_SERVE_H2_H

#include "httpd/serve/connection.h"

/* From here on the connection speaks HTTP/2: c->is_h2 is true, c->h2 set. 0 or KEEL_ENOMEM: it
 * closes. */
int http_serve_h2_start(struct http_connection *c);
/* The connection is closed. Nothing when it never spoke HTTP/2. */
void http_serve_h2_stop(struct http_connection *c);

/* As the callbacks of a stream, for a connection with c->is_h2. */
size_t http_serve_h2_data(struct http_connection *c, const uint8_t *bytes, size_t size);
void http_serve_h2_drained(struct http_connection *c);
void http_serve_h2_deadline(struct http_connection *c);

/* The worker drains: the client is told to go, and everything that it asked for is sent. */
void http_serve_h2_drain(struct http_connection *c);
/* What `connections` tells: how many requests were read, bytes of a stream's answer that have not
 * left, how many streams are open, what they do, and of the oldest that a handler keeps the
 * exchange; NULL: none. */
unsigned http_serve_h2_requests(const struct http_connection *c);
uint64_t http_serve_h2_unsent(const struct http_connection *c, uint32_t stream);
unsigned http_serve_h2_streams(const struct http_connection *c);
const char *http_serve_h2_state(const struct http_connection *c);
const struct http_exchange *http_serve_h2_oldest(const struct http_connection *c);
/* True while no stream is open. */
bool http_serve_h2_is_idle(const struct http_connection *c);

#endif
