/*
 * A request as handlers see it, whatever version of HTTP brought it, and the response they give.
 *
 * One request object per worker is enough while requests are answered as they are read: its arena
 * is reset, not freed, so that a request allocates nothing once the worker is warm.
 */
#ifndef HTTPD_REQUEST_REQUEST_H
#define HTTPD_REQUEST_REQUEST_H

#include "common/base/mem.h"
#include "httpd/request/route.h"
#include "httpd/wire/date.h"
#include "httpd/wire/head.h"

/* The time of a request, and the text of its Date field, made anew once a second. */
struct http_clock {
    int64_t second;   /* realtime, since 1970 */
    uint64_t now_ns;  /* monotonic */
    uint64_t next_ns; /* the same, when the next second begins */
    char date[HTTP_DATE_SIZE];
    /* Brings it to the present, for answers that nothing that was received led to. NULL: it is. */
    void (*refresh)(struct http_clock *clock);
};
void http_clock_set(struct http_clock *clock, uint64_t realtime_ns, uint64_t monotonic_ns);

struct http_request {
    struct http_head head; /* borrows the received bytes */
    struct keel_str path;  /* decoded, normalised and rewritten; empty for "*" and CONNECT */
    struct keel_str query;
    struct keel_str moved; /* where http_request_prepare redirects to */
    const struct http_site *site;
    const struct http_location *location;
    bool json;                      /* a listing, or the state, is wanted as JSON */
    struct keel_str user;           /* who proved to be it; empty: nobody */
    struct keel_str client_subject; /* of the certificate that it showed for this site; or empty */
    struct http_clock *clock;
    struct keel_arena arena; /* dies with the request */
};

/* What goes back. All pieces are borrowed and stay valid until the sender returns; for later use
 * it holds their owner. */
struct http_response {
    unsigned status;
    struct keel_str head; /* status line to the last field line, each with CRLF. Without Connection;
                             the empty line stands behind it in memory, but is not counted */
    struct keel_str body; /* in memory */
    bool joined;          /* the body stands in memory right behind the empty line */
    bool close;           /* end the connection after it */
    int file;             /* file_size > 0: the body is this part of it */
    uint64_t file_at, file_size;
    void (*hold)(void *owner);    /* keeps the pieces for one release more; NULL: they cannot be */
    void (*release)(void *owner); /* kept and are copied */
    void *owner;
};

/* Has an answer to it no body, whatever the handler gives? */
static inline bool http_answer_is_bare(const struct http_request *request, unsigned status)
{
    return request->head.method == HTTP_HEAD || status == 204 || status == 304;
}

void http_request_init(struct http_request *request);
void http_request_fini(struct http_request *request);
/* How a request came. */
struct http_origin {
    unsigned entrance;
    bool tls;
    const struct keel_addr *peer; /* NULL: not known */
};
/* Completes a request whose head was parsed: path, query, site, location. Forgets the one before.
 * 0; the status of a redirect to request->moved; or a negative status: -400, what a rewrite says,
 * -500 (one gave up, or they lead in a circle), -503 (or no memory). */
int http_request_prepare(struct http_request *request, const struct http_sites *sites,
                         const struct http_origin *origin, struct http_clock *clock);

/* Does it ask to speak this protocol instead, as HTTP/1.1 or HTTP/2 do? */
bool http_request_asks_for(const struct http_request *request, const char *protocol);

/* Builds a small response in the arena: status, `extra` (whole field lines, or empty), the fields
 * of the location, and a line of text, or the site's page for an error, as the body. The body is
 * left out, but counted, for HEAD. When memory is out the response has status 503 and static text.
 */
void http_response_plain(struct http_response *response, struct http_request *request,
                         unsigned status, struct keel_str extra);
/* The same for a client that may ask again after wait_ns: with Retry-After, in whole seconds. */
void http_response_retry(struct http_response *response, struct http_request *request,
                         unsigned status, uint64_t wait_ns);
/* Builds the head of a response alone: length of the body to come, or -1: no Content-Length. 0 or
 * KEEL_ENOMEM. */
int http_response_head(struct http_response *response, struct http_request *request,
                       unsigned status, struct keel_str extra, int64_t length);
/* Builds a response with that body, which is borrowed (NULL: none is sent, but n bytes are counted)
 * and left out where there is none. `extra` has its Content-Type. No error page stands for it. */
void http_response_content(struct http_response *response, struct http_request *request,
                           unsigned status, struct keel_str extra, struct keel_str body);
/* The value of the next field of that name in the lines of *rest, which is a response's head at
 * first. False: there is none any more. */
bool http_response_field(struct keel_str *rest, struct keel_str name, struct keel_str *value);
/* The first value; p NULL: none. Borrows. */
struct keel_str http_response_value(const struct http_response *response, struct keel_str name);
/* Puts another head in the place of the response's: without the fields that the rules name, with
 * `lines` (whole field lines, or empty) behind the others. 0 or KEEL_ENOMEM. */
int http_response_rules(struct http_response *response, struct http_request *request,
                        const struct http_header_rules *rules, struct keel_str lines);
/* Does to the response's head what the rules of the request's location want, where that was not
 * done when it was made. Once, before it is sent. */
void http_response_edit(struct http_response *response, struct http_request *request);
/* A redirection to `location`, a URI reference that is properly encoded. */
void http_response_redirect(struct http_response *response, struct http_request *request,
                            unsigned status, struct keel_str location);

#endif
