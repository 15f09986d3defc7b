/*
 * The handler of static files: GET and HEAD with conditions and a range, out of the cache.
 */
#ifndef HTTPD_HANDLERS_FILE_H
#define HTTPD_HANDLERS_FILE_H

#include "httpd/handlers/cache.h"

/* Answers a prepared request. The response borrows from the cache and from the request's arena. */
void http_file_respond(struct http_cache *cache, struct http_request *request,
                       struct http_response *response);

#endif
