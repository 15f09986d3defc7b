/*
 * What a connection is doing, for an operator who asks.
 */
#ifndef HTTPD_SERVE_DESCRIBE_H
#define HTTPD_SERVE_DESCRIBE_H

#include "common/service/module.h"

/* For its row of `connections`: protocol, state, requests, streams, and the target of the request
 * that a handler keeps. */
void http_serve_describe(struct keel_connection *connection, json_t *row);
/* Of the answer under way (HTTP/2: on this stream), bytes that have not left. connection: a struct
 * http_connection. */
uint64_t http_serve_unsent(void *connection, uint32_t stream);

#endif
