/*
 * What one worker has, and how a request becomes a response in it, whichever version of HTTP
 * carries them.
 */
#ifndef HTTPD_SERVE_WORKER_H
#define HTTPD_SERVE_WORKER_H

#include "common/service/module.h"
#include "httpd/conn/h2.h"
#include "httpd/handlers/cache.h"
#include "httpd/log/access.h"
#include "httpd/serve/figures.h"
#include "httpd/serve/follow.h"
#include "httpd/serve/requests.h"
#include "httpd/serve/settings.h"

struct http_connection;

struct http_worker {
    struct http_host host;
    struct keel_instance *instance;
    const struct http_settings *settings;
    struct keel_timer turn;  /* for http_host_turn */
    struct http_exchange *x; /* of the request that is being answered; used again and again */
    unsigned apart;          /* requests of this turn whose time on_over has measured, or will */
    struct http_cache cache;
    struct keel_offload *offload;
    struct keel_offload *files; /* of its own: a dead file server takes no more than its threads */
    struct http_access_log *logs; /* those of the settings, in their order */
    struct http_figures figures;
    struct http_follow follow;
    struct http_requests requests;
    struct keel_clients connections; /* items NULL: nothing is limited */
    struct http_h2_shared h2;
};
extern const struct keel_command http_commands[];

/* Returns new in *out. 0, or an error with diag. */
int http_worker_new(struct keel_instance *instance, struct http_worker **out,
                    struct keel_diag *diag);
void http_worker_free(struct http_worker *w);
/* Takes the loop's time, for the requests of this turn. */
void http_worker_set_clock(struct http_worker *w);

/* Answers the request whose head is in w->x, which knows its carrier, connection and peer.
 * HTTP_DONE: the response borrows from w until the next one is answered; it is counted and logged
 * as sent. HTTP_LATER: what was w->x is kept by a handler and the caller's to carry; HTTP_NEXT: it
 * was, and is over already, answered through its carrier. */
enum http_verdict http_worker_answer(struct http_worker *w, struct http_response *response);
/* The answer to what came over the connection and could not be read as a request, by the rules of
 * the site that TLS chose, or of the one for hosts that no site has. Only method, minor and
 * keep_alive of w->x->request.head need be there. */
void http_worker_answer_bad(struct http_worker *w, const struct http_connection *c, unsigned status,
                            struct http_response *response);
/* Bytes that a client must take in a send-timeout: one at least. */
uint64_t http_worker_least_taken(const struct http_worker *w);
/* A connection speaks HTTP/2; it was cut off because it asked for too much. */
void http_worker_count_h2(struct http_worker *w);
void http_worker_count_h2_cut(struct http_worker *w);
/* A new connection of the peer: false when it has too many. *counted says whether
 * http_worker_disconnect must follow. */
bool http_worker_connect(struct http_worker *w, const struct keel_addr *peer, bool *counted);
void http_worker_disconnect(struct http_worker *w, const struct keel_addr *peer);
/* Tells the metrics what a turn did, once a turn: so many requests since http_worker_set_clock. */
void http_worker_count_turn(struct http_worker *w, unsigned requests);

#endif
