/*
 * Sockets to requests and back: the callbacks of the protocol record.
 */
#ifndef HTTPD_SERVE_SERVE_H
#define HTTPD_SERVE_SERVE_H

#include "common/service/module.h"

extern const struct keel_stream_ops http_stream_ops;

int http_serve_start(struct keel_instance *instance, struct keel_diag *diag);
/* Idle connections get a short while for a last request, which is answered with close. */
void http_serve_drain(struct keel_instance *instance);
void http_serve_stop(struct keel_instance *instance);
void http_serve_connect(struct keel_connection *connection);
/* The access log's file, at first and after each reopening. */
void http_serve_log_file(struct keel_instance *instance, unsigned index, int fd);
/* Another content of a users file. */
int http_serve_file(struct keel_instance *instance, const char *path, const char *text, size_t size,
                    struct keel_diag *diag);
/* True while the connection is between two requests. */
bool http_serve_evictable(struct keel_connection *connection);

#endif
