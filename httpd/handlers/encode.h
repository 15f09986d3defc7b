/*
 * The filter that compresses what handlers answer, where the site says so (option compress) and the
 * client takes it.
 */
#ifndef HTTPD_HANDLERS_ENCODE_H
#define HTTPD_HANDLERS_ENCODE_H

#include "httpd/request/handler.h"

/* The coding of an answer of this head, whose body is long enough: HTTP_IDENTITY: none. */
enum http_coding http_encode_choose(const struct http_request *request,
                                    const struct http_response *response);
/* The line of the ETag that the answer has in this coding; empty: it has none. In the arena; p
 * NULL: no memory. */
struct keel_str http_encode_etag(struct http_request *request, const struct http_response *response,
                                 enum http_coding coding);

/* Without settings: the site has them. */
extern const struct http_filter http_encode_filter;

#endif
