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

void http_figures_end_turn(struct http_figures *figures, uint64_t ns)
{
    for (struct http_site_figures *f = figures->asked; f; f = f->next) {
        keel_metric_observe_many(&f->metrics, HTTP_S_SECONDS, ns, f->asked);
        f->asked = 0;
    }
    figures->asked = NULL;
}
