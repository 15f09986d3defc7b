/*
 * Queries over TCP: messages behind their 16-bit length, pipelined, answered in order (RFC 7766).
 */
#ifndef DNSD_SERVE_TCP_H
#define DNSD_SERVE_TCP_H

#include "common/service/module.h"

/* See struct keel_protocol: connection_size, stream, on_connect, drain. */
extern const size_t dns_tcp_connection_size;
extern const struct keel_stream_ops dns_tcp_stream;
void dns_tcp_connect(struct keel_connection *connection);
/* Connections between two queries are closed soon, as RFC 7766, 6.2.3 lets a server do. */
void dns_tcp_drain(struct keel_instance *instance);

#endif
