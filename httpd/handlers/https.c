#include "httpd/handlers/https.h"

#include <stdio.h>

/* The same host and target; 308 keeps method and body where 301 might not (RFC 9110, 15.4.9). */
static enum http_verdict respond(struct http_exchange *x, void *state, void *settings,
                                 struct http_response *response)
{
    struct http_request *request = &x->request;
    const struct http_head *head = &request->head;
    struct keel_str host = http_span_str(head, head->host), path = http_span_str(head, head->path),
                    query = http_span_str(head, head->query);
    unsigned port = request->location->https_port;
    char digits[16] = "";
    if (x->tls || path.n == 0) /* OPTIONS * is for no site */
        return HTTP_NEXT;
    if (host.n == 0) { /* HTTP/1.0 may leave it out */
        http_response_plain(response, request, 400, KEEL_STR(""));
        return HTTP_DONE;
    }
    if (port != 443)
        snprintf(digits, sizeof digits, ":%u", port);
    char *to = keel_arena_printf(&request->arena, "https://%.*s%s%.*s%s%.*s", (int)host.n, host.p,
                                 digits, (int)path.n, path.p, query.n > 0 ? "?" : "", (int)query.n,
                                 query.n > 0 ? query.p : "");
    bool safe = head->method == HTTP_GET || head->method == HTTP_HEAD;
    if (to)
        http_response_redirect(response, request, safe ? 301 : 308, keel_str(to));
    else
        http_response_plain(response, request, 503, KEEL_STR(""));
    return HTTP_DONE;
}

const struct http_handler http_https_handler = {HTTP_HANDLER, .name = "https", .respond = respond};
