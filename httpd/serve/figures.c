#include "httpd/serve/figures.h"

#include "common/base/mem.h"
#include "httpd/serve/metrics.h"

static const struct keel_metric site_metrics[] = {
    {"httpd_site_requests_total", KEEL_COUNTER, NULL, "Requests for a site."},
    {"httpd_site_responses_total", KEEL_COUNTER, "class=\"1xx\"", "Responses by site and class."},
    {"httpd_site_responses_total", KEEL_COUNTER, "class=\"2xx\"", "Responses by site and class."},
    {"httpd_site_responses_total", KEEL_COUNTER, "class=\"3xx\"", "Responses by site and class."},
    {"httpd_site_responses_total", KEEL_COUNTER, "class=\"4xx\"", "Responses by site and class."},
    {"httpd_site_responses_total", KEEL_COUNTER, "class=\"5xx\"", "Responses by site and class."},
    {"httpd_site_response_bytes_total", KEEL_COUNTER, NULL, "Bytes of responses of a site."},
    {"httpd_site_request_seconds", KEEL_HISTOGRAM, NULL,
     "Time from reading a request for a site to handing over its response."},
    {0},
};
const struct keel_series http_series = {
    .table = site_metrics, .label = "site", .max = HTTP_SITES_COUNTED};

int http_figures_init(struct http_figures *figures, const struct keel_instance *instance,
                      const struct http_sites *sites)
{
    unsigned count = sites->count < HTTP_SITES_COUNTED ? sites->count : HTTP_SITES_COUNTED + 1;
    *figures = (struct http_figures){.sites = NULL};
    if (!instance->board)
        return 0;
    figures->sites = keel_calloc(HTTP_SITES_COUNTED + 1, sizeof *figures->sites);
    if (!figures->sites)
        return KEEL_ENOMEM;
    for (unsigned i = 0; i < count; i++)
        keel_series_claim(instance, i, i < sites->count ? sites->items[i].name.p : "",
                          &figures->sites[i].metrics);
    return 0;
}

void http_figures_fini(struct http_figures *figures)
{
    keel_free(figures->sites);
    *figures = (struct http_figures){.sites = NULL};
}

/* NULL: not counted. */
static struct http_site_figures *of_site(const struct http_figures *figures,
                                         const struct http_site *site)
{
    if (!figures->sites || !site)
        return NULL;
    return &figures->sites[site->id < HTTP_SITES_COUNTED ? site->id : HTTP_SITES_COUNTED];
}

void http_figures_count(struct http_figures *figures, const struct http_site *site,
                        const struct http_response *response)
{
    struct http_site_figures *f = of_site(figures, site);
    if (!f)
        return;
    keel_metric_add(&f->metrics, HTTP_S_REQUESTS, 1);
    if (response->status == 0)
        return;
    keel_metric_add(&f->metrics, HTTP_S_RESPONSES_1XX + response->status / 100 - 1, 1);
    keel_metric_add(&f->metrics, HTTP_S_BYTES,
                    response->head.n + 2 + response->body.n + response->file_size);
}

void http_figures_observe(struct http_figures *figures, const struct http_site *site, uint64_t ns)
{
    struct http_site_figures *f = of_site(figures, site);
    if (f)
        keel_metric_observe(&f->metrics, HTTP_S_SECONDS, ns);
}

void http_figures_observe_later(struct http_figures *figures, const struct http_site *site)
{
    struct http_site_figures *f = of_site(figures, site);
    if (!f || f->asked++ > 0)
        return;
    f->next = figures->asked;
    figures->asked = f;
}

void http_figures_end_turn(struct http_figures *figures, uint64_t ns)
{
    for (struct http_site_figures *f = figures->asked; f; f = f->next) {
        keel_metric_observe_many(&f->metrics, HTTP_S_SECONDS, ns, f->asked);
        f->asked = 0;
    }
    figures->asked = NULL;
}
