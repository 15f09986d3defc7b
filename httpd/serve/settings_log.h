/*
 * The access logs of the configuration: one for all sites, and those of sites.
 */
#ifndef HTTPD_SERVE_SETTINGS_LOG_H
#define HTTPD_SERVE_SETTINGS_LOG_H

#include "httpd/serve/settings.h"

#define HTTP_LOGS_MAX 256 /* files and formats that differ */

/* Reads the option access-log of the configuration and of its sites, which are there. The files are
 * log files of access (which may be NULL) in the order of s->logs. 0, or an error with diag. */
int http_logs_read(struct http_settings *s, const struct keel_conf *conf,
                   struct keel_access *access, struct keel_diag *diag);

#endif
