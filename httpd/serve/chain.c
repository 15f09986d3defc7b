#include "httpd/serve/chain.h"

#include "common/base/err.h"
#include "httpd/handlers/auth.h"
#include "httpd/handlers/encode.h"
#include "httpd/handlers/file.h"
#include "httpd/handlers/https.h"
#include "httpd/handlers/limits.h"
#include "httpd/handlers/redirect.h"
#include "httpd/handlers/respond.h"
#include "httpd/handlers/status.h"
#include "httpd/request/exchange.h"

#define BUILT_IN 16 /* handlers that are no module's, at most */
#define STEPS_MAX 8 /* of a location, with the mark of the end */

static const struct http_step plain[] = {{.handler = &http_file_handler}, {.handler = NULL}};

/* The number of a handler that is used; it gets one when it has none. */
static unsigned number_of(struct http_handlers *handlers, const struct http_handler *handler)
{
    for (unsigned i = 0; i < handlers->count; i++)
        if (handlers->items[i] == handler)
            return i;
    handlers->items[handlers->count] = handler;
    return handlers->count++;
}

struct chain {
    struct http_step steps[STEPS_MAX];
    unsigned count;
};

static void add(struct chain *chain, struct http_handlers *handlers,
                const struct http_handler *handler, void *settings)
{
    chain->steps[chain->count++] = (struct http_step){
        .handler = handler, .settings = settings, .number = number_of(handlers, handler)};
}

/* Those of modules are there; compression comes behind them. What a cache holds is compressed
 * there, and needs no step for that; a large file is kept, and passes the filters as it is sent. */
static int add_filters(struct keel_arena *arena, struct chain *chain,
                       struct http_handlers *handlers, const struct http_site *site,
                       struct http_location *location)
{
    unsigned count = 0;
    while (location->filters && location->filters[count].filter)
        count++;
    location->filters_files = count > 0;
    if (site->coding_count > 0) {
        struct http_filter_use *all = keel_arena_calloc(arena, (count + 2) * sizeof *all);
        if (!all)
            return KEEL_ENOMEM;
        for (unsigned i = 0; i < count; i++)
            all[i] = location->filters[i];
        all[count].filter = &http_encode_filter;
        location->filters = all;
    }
    if (count > 0 ||
        (location->filters && (location->handler || location->respond || location->status)))
        add(chain, handlers, &http_filtered_handler, NULL);
    return 0;
}

static int build(struct keel_arena *arena, const struct http_site *site,
                 struct http_location *location, struct http_handlers *handlers)
{
    struct chain chain = {.count = 0};
    if (location->https_port)
        add(&chain, handlers, &http_https_handler, NULL);
    if (location->access)
        add(&chain, handlers, &http_limits_handler, location->access);
    if (location->auth)
        add(&chain, handlers, &http_auth_handler, location->auth);
    if (add_filters(arena, &chain, handlers, site, location) != 0)
        return KEEL_ENOMEM;
    if (location->handler)
        add(&chain, handlers, location->handler, location->handler_settings);
    if (location->respond)
        add(&chain, handlers, &http_respond_handler, location->respond);
    else if (location->status)
        add(&chain, handlers, &http_status_handler, location->status);
    else if (location->redirect)
        add(&chain, handlers, &http_redirect_handler, NULL);
    else
        add(&chain, handlers, &http_file_handler, NULL);
    location->steps =
        keel_arena_memdup(arena, chain.steps, (chain.count + 1) * sizeof *chain.steps);
    return location->steps ? 0 : KEEL_ENOMEM;
}

int http_chains_build(struct keel_arena *arena, const struct http_sites *sites, unsigned modules,
                      struct http_handlers *handlers)
{
    handlers->items = keel_arena_calloc(arena, (BUILT_IN + modules) * sizeof *handlers->items);
    if (!handlers->items)
        return KEEL_ENOMEM;
    number_of(handlers, &http_file_handler);
    for (unsigned i = 0; i < sites->count; i++)
        for (unsigned j = 0; j < sites->items[i].location_count; j++)
            if (build(arena, &sites->items[i], &sites->items[i].locations[j], handlers) != 0)
                return KEEL_ENOMEM;
    return 0;
}

int http_chains_start(const struct http_handlers *handlers, struct http_host *host,
                      struct http_cache *cache, struct keel_diag *diag)
{
    host->plain = plain;
    host->states = keel_calloc(handlers->count, sizeof *host->states);
    if (!host->states)
        return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
    host->states[0] = cache;
    for (; host->started < handlers->count; host->started++) {
        const struct http_handler *handler = handlers->items[host->started];
        int err = handler->start ? handler->start(host, &host->states[host->started], diag) : 0;
        if (err)
            return err;
    }
    return 0;
}

void http_chains_stop(const struct http_handlers *handlers, struct http_host *host)
{
    while (host->started > 0) {
        const struct http_handler *handler = handlers->items[--host->started];
        if (handler->stop)
            handler->stop(host->states[host->started]);
    }
    keel_free(host->states);
    host->states = NULL;
}

bool http_chains_tunnel(const struct http_handlers *handlers)
{
    for (unsigned i = 0; i < handlers->count; i++)
        if (handlers->items[i]->tunnels)
            return true;
    return false;
}
