/*
 * What each site is asked, in the shared segment: a few plain stores a request.
 */
#ifndef HTTPD_SERVE_FIGURES_H
#define HTTPD_SERVE_FIGURES_H

#include "common/service/module.h"
#include "httpd/request/request.h"

/* Sites with figures of their own; the others share "(other)". */
#define HTTP_SITES_COUNTED 64
extern const struct keel_series http_series;

struct http_site_figures {
    struct keel_metrics metrics;
    struct http_site_figures *next; /* asked in this turn */
    unsigned asked;                 /* requests of this turn whose time is not counted yet */
};
struct http_figures {
    struct http_site_figures *sites; /* heap; NULL: nothing is counted */
    struct http_site_figures *asked;
};

/* 0 or KEEL_ENOMEM. Without a shared segment nothing is counted. */
int http_figures_init(struct http_figures *figures, const struct keel_instance *instance,
                      const struct http_sites *sites);
void http_figures_fini(struct http_figures *figures);
/* What is counted for the site; NULL: nothing is. */
static inline struct http_site_figures *http_figures_of(const struct http_figures *figures,
                                                        const struct http_site *site)
{
    if (!figures->sites || !site)
        return NULL;
    return &figures->sites[site->id < HTTP_SITES_COUNTED ? site->id : HTTP_SITES_COUNTED];
}
/* Will be told by http_figures_end_turn how long each request of the turn took. */
static inline void http_figures_observe_later(struct http_figures *figures,
                                              struct http_site_figures *site)
{
    if (site->asked++ > 0)
        return;
    site->next = figures->asked;
    figures->asked = site;
}
void http_figures_end_turn(struct http_figures *figures, uint64_t ns);

#endif
