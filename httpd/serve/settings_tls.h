/*
 * What the configuration says about TLS: certificates and whom they are for.
 */
#ifndef HTTPD_SERVE_SETTINGS_TLS_H
#define HTTPD_SERVE_SETTINGS_TLS_H

#include "httpd/serve/settings.h"

/* Makes s->tls of the sites' certificates, after the sites were read; it stays NULL where no site
 * has one. access may be NULL. first: we are the one that says what is odd. 0, or an error with
 * file and line in diag. */
int http_settings_read_tls(struct http_settings *s, const struct keel_conf *conf,
                           struct keel_access *access, bool first, struct keel_diag *diag);
/* The record's tls. */
struct keel_tls_context *http_settings_tls(void *settings, const struct keel_endpoint *endpoint);

#endif
