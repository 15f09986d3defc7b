/*
 * The locations' chains: which handlers a request passes, in order, compiled at load.
 */
#ifndef HTTPD_SERVE_CHAIN_H
#define HTTPD_SERVE_CHAIN_H

#include "common/base/mem.h"
#include "httpd/request/handler.h"

/* The handlers that the configuration uses; the file handler is the first. */
struct http_handlers {
    const struct http_handler **items;
    unsigned count;
};

/* Gives each location of the sites its steps, in the arena; they may be those of so many modules.
 * 0 or KEEL_ENOMEM. */
int http_chains_build(struct keel_arena *arena, const struct http_sites *sites, unsigned modules,
                      struct http_handlers *handlers);
/* Gives the host the handlers' states; the file handler's is `cache`. 0, or an error with diag;
 * stop in any case. */
struct http_cache;
int http_chains_start(const struct http_handlers *handlers, struct http_host *host,
                      struct http_cache *cache, struct keel_diag *diag);
void http_chains_stop(const struct http_handlers *handlers, struct http_host *host);
/* Does any of the handlers make tunnels? */
bool http_chains_tunnel(const struct http_handlers *handlers);

#endif
