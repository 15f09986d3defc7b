#include "httpd/handlers/limits.h"

#include "common/service/module.h"
#include "httpd/request/access.h"
#include "httpd/serve/metrics.h"

/* Clients that the table has room for: 1 MiB of which only what is used is touched. */
#define CLIENTS 65536

static int start(struct http_host *host, void **state, struct keel_diag *diag)
{
    struct keel_clients *clients = keel_calloc(1, sizeof *clients);
    if (clients && keel_clients_init(clients, CLIENTS) == 0) {
        *state = clients;
        return 0;
    }
    keel_free(clients);
    return keel_diag_memory(diag);
}

static void stop(void *state)
{
    keel_clients_fini(state);
    keel_free(state);
}

static enum http_verdict respond(struct http_exchange *x, void *state, void *settings,
                                 struct http_response *response)
{
    const struct http_access *access = settings;
    struct keel_metrics *metrics = &x->host->instance->metrics;
    uint64_t wait_ns;
    if (!access->any && !http_access_allows(access, x->peer)) {
        keel_metric_add(metrics, HTTP_M_DENIED, 1);
        http_response_plain(response, &x->request, 403, KEEL_STR(""));
        return HTTP_DONE;
    }
    if (access->rate.interval_ns == 0 ||
        keel_clients_take(state, x->peer, &access->rate, x->host->clock.now_ns, &wait_ns))
        return HTTP_NEXT;
    keel_metric_add(metrics, HTTP_M_LIMITED_REQUESTS, 1);
    http_response_retry(response, &x->request, 429, wait_ns);
    return HTTP_DONE;
}

const struct http_handler http_limits_handler = {HTTP_HANDLER, .name = "limits", .start = start,
                                                 .stop = stop, .respond = respond};
