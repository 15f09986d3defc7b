/*
 * The step that asks who may come, and how often: address lists and rates of a location.
 */
#ifndef HTTPD_HANDLERS_LIMITS_H
#define HTTPD_HANDLERS_LIMITS_H

#include "httpd/request/handler.h"

/* Its settings are a struct http_access, its state in a worker is the table of clients. */
extern const struct http_handler http_limits_handler;

#endif
