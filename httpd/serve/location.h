/*
 * The locations of a site, as the configuration has them.
 */
#ifndef HTTPD_SERVE_LOCATION_H
#define HTTPD_SERVE_LOCATION_H

#include "httpd/serve/settings.h"

/* Compiles the rewrite option of a section into *rules. 0, KEEL_ECONF or KEEL_ENOMEM with diag, as
 * below. */
int http_rewrites_read(struct http_settings *s, struct http_rewrites *rules,
                       const struct keel_conf *conf, struct keel_diag *diag);
/* Compiles the location sections of a site's section into site->locations; there is always one
 * for "/". */
int http_locations_read(struct http_settings *s, struct http_site *site,
                        const struct keel_conf *conf, struct keel_access *access,
                        struct keel_diag *diag);
/* Option max-body of a site or location; UINT64_MAX: no limit, 0: not given. */
uint64_t http_max_body_read(const struct keel_conf *conf);

#endif
