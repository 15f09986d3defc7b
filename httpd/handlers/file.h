/*
 * The handler of static files: GET and HEAD with conditions and a range, out of the cache.
 */
#ifndef HTTPD_HANDLERS_FILE_H
#define HTTPD_HANDLERS_FILE_H

#include "httpd/handlers/cache.h"
#include "httpd/request/handler.h"

/* Its state in a worker is a struct http_cache, which the worker owns. */
extern const struct http_handler http_file_handler;

/* Answers a prepared request. The response borrows from the cache and from the request's arena.
 * False: the loop would wait for a disk, which can be only where threads look at files. */
bool http_file_respond(struct http_cache *cache, struct http_request *request,
                       struct http_response *response);

#endif
