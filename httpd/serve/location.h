/*
 * The locations of a site, as the configuration has them.
 */
#ifndef HTTPD_SERVE_LOCATION_H
#define HTTPD_SERVE_LOCATION_H

#include "common/base/mem.h"
#include "common/service/conf.h"
#include "httpd/request/route.h"

/* Compiles the location sections of a site's section into site->locations, in the arena. Locations
 * with a request rate are numbered on from *limited. 0, KEEL_ECONF or KEEL_ENOMEM with diag. */
int http_locations_read(struct keel_arena *arena, struct http_site *site, unsigned *limited,
                        const struct keel_conf *conf, struct keel_diag *diag);
/* Option max-body of a site or location; UINT64_MAX: no limit, 0: not given. */
uint64_t http_max_body_read(const struct keel_conf *conf);

#endif
