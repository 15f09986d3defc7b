/*
 * The filter that compresses what handlers answer, where the site says so (option compress) and the
 * client takes it.
 */
#ifndef HTTPD_HANDLERS_ENCODE_H
#define HTTPD_HANDLERS_ENCODE_H

#include "httpd/request/handler.h"

/* Without settings: the site has them. */
extern const struct http_filter http_encode_filter;

#endif
