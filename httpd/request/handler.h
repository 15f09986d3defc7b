/*
 * Handlers: what answers requests. Every built-in one is written to this interface, and so are
 * modules (doc/examples/hello_module.c), for which this is the one header.
 *
 * A location is compiled to a chain of steps. A step answers at once (HTTP_DONE), passes the
 * request on (HTTP_NEXT), or keeps the exchange (HTTP_LATER) and answers when it can: it may read
 * the request's body, and send a whole response or one piece by piece. Filters change answers on
 * their way out. Everything happens on the loop of one worker, which must never wait.
 */
#ifndef HTTPD_REQUEST_HANDLER_H
#define HTTPD_REQUEST_HANDLER_H

#include "common/base/addr.h"
#include "common/base/buf.h"
#include "common/base/list.h"
#include "httpd/request/rate.h"
#include "httpd/request/request.h"

#define HTTP_ABI_MAJOR 1
#define HTTP_ABI_MINOR 1

struct keel_access;
struct keel_instance;
struct keel_loop;
struct keel_offload;
struct http_carrier; /* request/exchange.h */
struct http_exchange;
struct http_filter;
struct http_flow; /* request/filter.h */

enum http_verdict {
    HTTP_DONE,  /* *response is the whole answer */
    HTTP_NEXT,  /* the next step of the location decides */
    HTTP_LATER, /* the exchange is the handler's until it ends it, or on_gone */
};

/* What a worker is to handlers. */
struct http_host {
    struct keel_loop *loop;
    struct keel_offload *offload; /* threads for work that may block */
    struct keel_instance *instance;
    struct http_clock clock;
    /* private */
    const struct http_step *plain; /* of locations without steps */
    void **states;                 /* what `start` of each handler left, by its number */
    unsigned started;              /* handlers whose start was called */
    struct keel_list kept;         /* exchanges that handlers keep */
    struct http_exchange *spare;   /* exchanges for use again, warm */
    unsigned spares;
    struct http_least least;              /* of the body of a request */
    struct keel_list due;                 /* answers whose filters have work left */
    size_t filtered;                      /* bytes that went through filters in this turn */
    void (*soon)(struct http_host *host); /* calls http_host_turn in the next turn of the loop */
    /* An exchange that was kept is over: x->status, x->head_sent and x->body_sent say how. */
    void (*on_over)(struct http_host *host, struct http_exchange *x);
};

/* One request and its answer, from the end of the head to the log line. */
struct http_exchange {
    struct http_request request; /* HTTP_LATER: it stays valid, in memory of the exchange's own */
    struct http_host *host;
    const struct keel_addr *peer;
    bool tls;
    void *state;              /* the handler's own, NULL at first; see on_gone */
    struct keel_str trailers; /* of the request's body, once it is complete: lines as sent */
    /* private */
    const struct http_carrier *carrier;
    void *connection; /* the carrier's; NULL: it is gone */
    uint32_t stream;  /* of HTTP/2 */
    const struct http_step *step;
    struct keel_list node;      /* in host->kept */
    struct http_exchange *next; /* in host->spare */
    struct keel_addr address;
    struct keel_buf trailer;
    struct http_flow *flow;          /* the filters of the answer's body; NULL: none */
    struct http_rate rate;           /* of the body, while a handler waits for it */
    uint64_t began_ns;               /* monotonic */
    uint64_t body_limit, body_taken; /* of the request */
    uint64_t length;                 /* of the answer, still to be written; see `counted` */
    uint64_t head_sent, body_sent;
    uint16_t status; /* of the answer; 0: none was sent */
    uint16_t depth;  /* calls into the handler, or of it, that are running */
    uint8_t content; /* of the request: enum http_content_phase */
    uint8_t answer;  /* enum http_answer_phase */
    bool counted;    /* the answer's length is known */
    bool bare;       /* it has no body, whatever is written */
    bool tunnel;     /* both bodies are bytes of another protocol */
    bool kept, over, gone, end_due;
    bool served; /* the handler is done with it, but the filters are not */
};

#define HTTP_HANDLER                                                                               \
    .size = sizeof(struct http_handler), .abi_major = HTTP_ABI_MAJOR, .abi_minor = HTTP_ABI_MINOR

/* A static record; begins { HTTP_HANDLER, .name = "mine", ... }. A module exports it as
 * `http_module`. What may be NULL says so. The host reads no more than `size` bytes of it; a module
 * of an older minor version lacks what came later, and works. */
struct http_handler {
    uint32_t size;
    uint16_t abi_major, abi_minor;
    const char *name;
    /* The settings of one location, from its option `argument` (NULL: not given): in the arena, or
     * static. Runs in the master too, and for --check. Files that are to be read or written later
     * go into access (which may be NULL). 0, or an error with diag. May be NULL. */
    int (*configure)(struct keel_arena *arena, const char *argument, void **settings,
                     struct keel_access *access, struct keel_diag *diag);
    /* In a worker that has a location with this handler, before its first request: *state is given
     * to respond. 0, or an error with diag. stop comes when the offload pool is gone. May be NULL.
     */
    int (*start)(struct http_host *host, void **state, struct keel_diag *diag);
    void (*stop)(void *state);
    /* The request's head is there; of its body nothing was read. */
    enum http_verdict (*respond)(struct http_exchange *x, void *state, void *settings,
                                 struct http_response *response);
    /* A piece of the body that http_exchange_read asked for (borrowed); n 0: it is complete, and
     * x->trailers is set. May be NULL when the handler never asks. */
    void (*on_content)(struct http_exchange *x, const void *bytes, size_t n);
    /* The client took what http_exchange_write said was too much: go on. May be NULL. */
    void (*on_drained)(struct http_exchange *x);
    /* The exchange ended otherwise than by this handler: the client is gone, its time is up, it
     * sent something malformed or too much, or memory is out. The last call: x must not be used
     * any more, x->state is to be freed. Never after http_exchange_respond, _end, _abort or _next
     * returned 0. NULL only for handlers that never say HTTP_LATER. */
    void (*on_gone)(struct http_exchange *x);
    bool tunnels; /* it may call http_exchange_upgrade */

    /* Version 1.1: */
    /* The filters that the module brings: a list that ends with NULL; or NULL. With filters alone
     * `respond` may be NULL. */
    const struct http_filter *const *filters;
};

enum http_piece {
    HTTP_PIECE_MORE,  /* more comes soon: the filter may hold it back */
    HTTP_PIECE_FLUSH, /* the client waits for what there is */
    HTTP_PIECE_END,
};

#define HTTP_FILTER                                                                                \
    .size = sizeof(struct http_filter), .abi_major = HTTP_ABI_MAJOR, .abi_minor = HTTP_ABI_MINOR

/* Changes answers on their way out: their head, and their body as it comes, in slices of at most 16
 * KiB a turn; what a handler writes beyond that waits. A static record; begins { HTTP_FILTER, .name
 * = "mine", ... }; a module lists its filters in http_module.filters, and locations name them
 * (option filter). They see what the location's handlers and files answer, with any status, in the
 * order of the location; compression comes behind them. What stands before the handlers (limits,
 * passwords, redirects to https), and what the core answers itself (a body that is too large), they
 * do not see. */
struct http_filter {
    uint32_t size;
    uint16_t abi_major, abi_minor;
    const char *name;
    /* Sees the head before it is sent, and may edit it (http_response_value, http_response_rules).
     * length is that of the body, or -1; a filter that changes it says so there, -1 when it does
     * not know, and the core puts it into the head; other lengths must be kept to. 1: it wants the
     * body, with *state; 0: it does not; KEEL_ENOMEM: the answer is 503. To a HEAD the head is made
     * as to a GET, but nothing more comes. Texts of x->request do not outlive the call: what `body`
     * needs of them is copied.
     *
     * Answers that are no whole representation (204, 205, 206, 304) and descriptors that a handler
     * sends (response->file) have no body for it: 1 means 0 there. Files do: a file that is asked
     * for by range, or under a condition, or that is kept compressed, is shown as the whole file
     * first. Where a filter wants the body it is sent whole, and conditions are about what the
     * head says then; where none does, they are asked again about what is sent instead. A 304 has
     * the validators that the client is to see: they stay as they are. */
    int (*head)(struct http_exchange *x, void *settings, struct http_response *response,
                int64_t *length, void **state);
    /* Appends to out what goes on. n may be 0 when it is to flush or to end. 0, or an error: the
     * answer is broken off, and the client sees that. NULL: it edits heads alone. */
    int (*body)(void *state, const void *bytes, size_t n, enum http_piece piece,
                struct keel_buf *out);
    void (*release)(void *state); /* once, after head said 1. May be NULL */

    /* Version 1.1: */
    /* As that of handlers, with what stands behind the name in option filter. May be NULL. */
    int (*configure)(struct keel_arena *arena, const char *argument, void **settings,
                     struct keel_access *access, struct keel_diag *diag);
    /* The head that it leaves is true of the body that it makes: of the same input and settings it
     * always makes the same bytes, and it has given them an ETag of their own. Else the core takes
     * out ETag, Last-Modified, Accept-Ranges and digests where it wants the body. */
    bool exact;
};
/* One filter of a location, in the order of its list, which ends with filter NULL. */
struct http_filter_use {
    const struct http_filter *filter;
    void *settings;
};

/* One step of a location. The list ends with handler NULL. */
struct http_step {
    const struct http_handler *handler;
    void *settings;
    unsigned number; /* of the handler, in host->states */
};

/*
 * What a handler does with an exchange that it keeps: from `respond` (which then returns
 * HTTP_LATER), from its other callbacks, or at any later time on the loop. Outside of callbacks the
 * exchange may be freed before a function returns: when it ended it, or failed and on_gone was
 * called. Negative results other than KEEL_EAGAIN mean that nothing more can be done with it.
 */

/* Asks for the body, which comes to on_content from now on, at once if it is there; a 100 goes out
 * if the client waits for one. limit: most bytes; 0: the location's max-body. More of them are
 * answered with 413, and the exchange is gone: KEEL_ELIMIT here when Content-Length says so. A
 * request without a body has an empty one. */
int http_exchange_read(struct http_exchange *x, uint64_t limit);
/* Stops and restarts on_content (backpressure). */
void http_exchange_pause(struct http_exchange *x);
void http_exchange_resume(struct http_exchange *x);

/* A whole answer, which ends the exchange. 0; KEEL_EOF: it was over, or has an answer. */
int http_exchange_respond(struct http_exchange *x, struct http_response *response);
/* An answer piece by piece. fields: whole lines, with Content-Type; httpd adds Server, Date, what
 * the location adds, and how the body is framed. length: bytes that will be written, or -1: chunks
 * on HTTP/1.1, up to the end of the connection on 1.0. 0, KEEL_EOF as above, KEEL_ENOMEM. */
int http_exchange_begin(struct http_exchange *x, unsigned status, struct keel_str fields,
                        int64_t length);
/* The same with a head that the handler made whole, with Content-Length if length is not -1; it is
 * borrowed. */
int http_exchange_begin_response(struct http_exchange *x, struct http_response *response,
                                 int64_t length);
/* Copies. 0; KEEL_EAGAIN: taken, but stop until on_drained; KEEL_EINVAL: more than `length` (none
 * of it is sent); KEEL_EOF: over. What is no part of an answer (to HEAD, with status 204 or 304) is
 * dropped. */
int http_exchange_write(struct http_exchange *x, const void *bytes, size_t n);
/* The answer is complete. trailers: whole field lines, or empty; they are for answers without a
 * length, and those to HTTP/1.0 have none. Less than `length`: as abort. 0 or KEEL_EOF. */
int http_exchange_end(struct http_exchange *x, struct keel_str trailers);
/* The answer cannot be completed: the client sees that it is cut. Before begin: 500. */
void http_exchange_abort(struct http_exchange *x);

/* Makes a tunnel of the connection (101, RFC 9110, 7.8) or of the HTTP/2 stream (200 to an extended
 * CONNECT, RFC 8441) that asks for the protocol; fields: whole lines, or empty. From here on the
 * bytes of both sides are the protocol's: on_content gives what comes, n 0 when the client sends no
 * more; http_exchange_write sends, _pause and _resume work as with bodies, and _end ends it. 0;
 * KEEL_EINVAL: the request does not ask for it; KEEL_EOF, KEEL_ENOMEM. The handler says .tunnels.
 */
int http_exchange_upgrade(struct http_exchange *x, const char *protocol, struct keel_str fields);

/* Not mine after all: the next step of the location decides. 0 or KEEL_EOF. */
int http_exchange_next(struct http_exchange *x);

#endif
