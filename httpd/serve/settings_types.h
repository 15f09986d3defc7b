/*
 * The options about media types, and about what depends on them.
 */
#ifndef HTTPD_SERVE_SETTINGS_TYPES_H
#define HTTPD_SERVE_SETTINGS_TYPES_H

#include "httpd/serve/settings.h"

/* The table of the system (types-file). 0, or an error with diag. */
int http_types_file_read(struct http_settings *s, const struct keel_conf *conf,
                         struct keel_diag *diag);
/* The site's own types, before those of the system. 0, or an error with diag. */
int http_types_read(struct http_settings *s, struct http_site *site, const struct keel_conf *conf,
                    struct keel_diag *diag);
/* The location's cache-rules. 0, or an error with diag. */
int http_cache_rules_read(struct http_settings *s, struct http_location *location,
                          const struct keel_conf *conf, struct keel_diag *diag);

#endif
