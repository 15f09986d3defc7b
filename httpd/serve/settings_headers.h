/*
 * The options headers and cache-control of sites and locations.
 */
#ifndef HTTPD_SERVE_SETTINGS_HEADERS_H
#define HTTPD_SERVE_SETTINGS_HEADERS_H

#include "httpd/serve/settings.h"

/* The rules of a section behind those of `base` (the site's), of which those go whose field the
 * section names too. 0, or an error with diag. */
int http_header_rules_read(struct http_settings *s, struct http_header_rules *rules,
                           const struct http_header_rules *base, const struct keel_conf *conf,
                           struct keel_diag *diag);
/* Fills the location's ready-made lines and rules. `edit`: its handler may send any field. */
int http_headers_read(struct http_settings *s, struct http_location *location,
                      const struct http_header_rules *base, bool edit, const struct keel_conf *conf,
                      struct keel_diag *diag);

#endif
