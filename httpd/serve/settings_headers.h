/*
 * The options headers and cache-control of sites and locations.
 */
#ifndef HTTPD_SERVE_SETTINGS_HEADERS_H
#define HTTPD_SERVE_SETTINGS_HEADERS_H

#include "httpd/serve/settings.h"

/* Reads the rules of a site into base, which stands for it where no location is known. 0,
 * KEEL_ECONF or KEEL_ENOMEM with diag. */
int http_headers_read_site(struct http_settings *s, struct http_location *base,
                           const struct keel_conf *conf, struct keel_diag *diag);
/* Fills the location's ready-made lines and rules. `edit`: its handler may send any field. */
int http_headers_read(struct http_settings *s, struct http_location *location,
                      const struct http_header_rules *base, bool edit, const struct keel_conf *conf,
                      struct keel_diag *diag);

#endif
