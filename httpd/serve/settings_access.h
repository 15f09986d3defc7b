/*
 * Who may come in: the options allow, deny, auth and their kin of sites and locations.
 */
#ifndef HTTPD_SERVE_SETTINGS_ACCESS_H
#define HTTPD_SERVE_SETTINGS_ACCESS_H

#include "httpd/serve/settings.h"

/* Fills access and auth of the location from its section, with those of `base` where it says
 * nothing: its addresses (allow and deny together), its users (auth). conf NULL: it has no section.
 * Users files are read, and go into `access`. 0, or an error with diag. */
int http_access_read(struct http_settings *s, struct http_location *location,
                     const struct http_location *base, const struct keel_conf *conf,
                     struct keel_access *access, struct keel_diag *diag);
/* request-rate and request-burst, of a location only. */
int http_rate_read(struct http_settings *s, struct http_location *location,
                   const struct keel_conf *conf, struct keel_diag *diag);
/* A file has another content now. 0, also when it is no users file; an error with diag, and the
 * users stay as they were. */
int http_users_file_changed(struct http_settings *s, const char *path, struct keel_str text,
                            struct keel_diag *diag);
void http_users_files_free(struct http_settings *s);

#endif
