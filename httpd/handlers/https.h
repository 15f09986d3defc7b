/*
 * Redirects to https what came without TLS: the first step of locations that want that, so that
 * nobody is asked for a password in the clear.
 */
#ifndef HTTPD_HANDLERS_HTTPS_H
#define HTTPD_HANDLERS_HTTPS_H

#include "httpd/request/handler.h"

extern const struct http_handler http_https_handler;

#endif
