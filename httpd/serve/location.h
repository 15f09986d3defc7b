/*
 * The locations of a site, as the configuration has them.
 */
#ifndef HTTPD_SERVE_LOCATION_H
#define HTTPD_SERVE_LOCATION_H

#include "common/base/mem.h"
#include "common/service/conf.h"
#include "httpd/request/route.h"

/* Compiles the rewrite option of a section into *rules, in the arena; the rewriter is made with the
 * first one. 0, KEEL_ECONF or KEEL_ENOMEM with diag, as below. */
int http_rewrites_read(struct keel_arena *arena, struct http_rewriter **rewriter,
                       struct http_rewrites *rules, const struct keel_conf *conf,
                       struct keel_diag *diag);
/* Compiles the location sections of a site's section into site->locations, in the arena. Locations
 * with a request rate are numbered on from *limited. */
int http_locations_read(struct keel_arena *arena, struct http_site *site,
                        struct http_rewriter **rewriter, unsigned *limited,
                        const struct keel_conf *conf, struct keel_diag *diag);
/* Option max-body of a site or location; UINT64_MAX: no limit, 0: not given. */
uint64_t http_max_body_read(const struct keel_conf *conf);

#endif
