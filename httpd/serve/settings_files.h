/*
 * Where files are: the folders of sites, and of locations that have their own.
 */
#ifndef HTTPD_SERVE_SETTINGS_FILES_H
#define HTTPD_SERVE_SETTINGS_FILES_H

#include "httpd/serve/settings.h"

/* root, index and charset of a site; the root is opened. access may be NULL. 0, or an error with
 * diag. */
int http_files_read(struct http_settings *s, struct http_site *site, const struct keel_conf *conf,
                    struct keel_access *access, struct keel_diag *diag);
/* root, alias, index and charset of a location, after all else of the site and of it was read: if
 * it has any, location->files is a site like its own, but for these. */
int http_location_files_read(struct http_settings *s, const struct http_site *site,
                             struct http_location *location, const struct keel_conf *conf,
                             struct keel_access *access, struct keel_diag *diag);
/* Closes the roots of locations. */
void http_files_free(struct http_settings *s);
/* All values of a list of strings. 0 or KEEL_ENOMEM. */
int http_list_read(struct http_settings *s, const struct keel_conf *conf, const char *name,
                   struct keel_str **out, unsigned *count);

#endif
