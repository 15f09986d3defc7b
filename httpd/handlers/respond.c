#include "httpd/handlers/respond.h"

static enum http_verdict respond(struct http_exchange *x, void *state, void *settings,
                                 struct http_response *response)
{
    const struct http_respond *fixed = settings;
    if (fixed->body.p)
        http_response_content(response, &x->request, fixed->status,
                              KEEL_STR("Content-Type: text/plain; charset=utf-8\r\n"), fixed->body);
    else
        http_response_plain(response, &x->request, fixed->status, KEEL_STR(""));
    return HTTP_DONE;
}

const struct http_handler http_respond_handler = {HTTP_HANDLER, .name = "respond",
                                                  .respond = respond};
