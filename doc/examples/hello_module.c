/*
 * A module for httpd: a handler that greets.
 *
 *     cc -shared -fPIC hello_module.c -o hello_module.so $(pkg-config --cflags libkeel)
 *
 *     module "hello" { file = "hello_module.so" }
 *     site "example.org" {
 *       location "/hello/" { handler = "hello"  argument = "Good day" }
 *     }
 *
 * GET /hello/Ada is answered with "Good day, Ada!".
 */
#include "httpd/request/handler.h"

/* Once for each location, when the configuration is read. */
static int configure(struct keel_arena *arena, const char *argument, void **settings,
                     struct keel_access *access, struct keel_diag *diag)
{
    if (argument && !*argument)
        return keel_diag_set(diag, KEEL_EINVAL, "a greeting expected");
    *settings = keel_arena_strdup(arena, argument ? argument : "Hello");
    return *settings ? 0 : KEEL_ENOMEM;
}

/* For each request of the location. The path is decoded, and begins with the location's. */
static enum http_verdict respond(struct http_exchange *x, void *state, void *settings,
                                 struct http_response *response)
{
    struct http_request *request = &x->request;
    struct keel_str name = request->path;
    name.p += request->location->prefix.n;
    name.n -= request->location->prefix.n;
    if (request->head.method != HTTP_GET && request->head.method != HTTP_HEAD) {
        http_response_plain(response, request, 405, KEEL_STR("Allow: GET, HEAD\r\n"));
        return HTTP_DONE;
    }
    if (name.n == 0)
        return HTTP_NEXT; /* to the site's files */
    char *text = keel_arena_printf(&request->arena, "%s, %.*s!\n", (const char *)settings,
                                   (int)name.n, name.p);
    if (text)
        http_response_content(response, request, 200,
                              KEEL_STR("Content-Type: text/plain; charset=utf-8\r\n"),
                              keel_str(text));
    else
        http_response_plain(response, request, 503, KEEL_STR(""));
    return HTTP_DONE;
}

extern const struct http_handler http_module;
const struct http_handler http_module = {HTTP_HANDLER, .name = "hello", .configure = configure,
                                         .respond = respond};
