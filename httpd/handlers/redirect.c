#include "httpd/handlers/redirect.h"

#include "httpd/wire/path.h"

void http_redirect_respond(struct http_request *request, struct http_response *response,
                           unsigned status, struct keel_str base, struct keel_str rest)
{
    struct keel_buf to = {0};
    /* "/" and "/x" are no "//x", which would name another host (RFC 3986, 4.2) */
    if (base.n > 0 && base.p[base.n - 1] == '/' && rest.n > 0 && rest.p[0] == '/') {
        rest.p++;
        rest.n--;
    }
    bool in_query = base.n > 0 && memchr(base.p, '?', base.n);
    keel_buf_append(&to, base.p, base.n);
    if (in_query)
        http_query_encode(&to, rest);
    else
        http_path_encode(&to, rest);
    if (request->query.n > 0)
        keel_buf_printf(&to, "%c%.*s", in_query ? '&' : '?', (int)request->query.n,
                        request->query.p);
    if (to.failed)
        http_response_plain(response, request, 503, KEEL_STR(""));
    else
        http_response_redirect(response, request, status,
                               (struct keel_str){(char *)keel_buf_bytes(&to), keel_buf_size(&to)});
    keel_buf_fini(&to);
}

static enum http_verdict respond(struct http_exchange *x, void *state, void *settings,
                                 struct http_response *response)
{
    const struct http_request *request = &x->request;
    const struct http_location *location = request->location;
    struct keel_str rest = {request->path.p + location->prefix.n,
                            request->path.n - location->prefix.n};
    http_redirect_respond(&x->request, response, location->redirect, location->redirect_to, rest);
    return HTTP_DONE;
}

const struct http_handler http_redirect_handler = {HTTP_HANDLER, .name = "redirect",
                                                   .respond = respond};
