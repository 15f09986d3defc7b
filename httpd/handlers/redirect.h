/*
 * Redirections.
 */
#ifndef HTTPD_HANDLERS_REDIRECT_H
#define HTTPD_HANDLERS_REDIRECT_H

#include "httpd/request/handler.h"

/* A location's redirect: its target stands for the prefix, the rest of the path follows it. */
extern const struct http_handler http_redirect_handler;

/* Redirects to `base` (a URI reference) with `rest` (a decoded path or a part of one) encoded
 * behind it (as a value, where the base has a query), and the request's query. */
void http_redirect_respond(struct http_request *request, struct http_response *response,
                           unsigned status, struct keel_str base, struct keel_str rest);

#endif
