/*
 * Which sites are served at which of the daemon's addresses.
 */
#ifndef HTTPD_SERVE_SETTINGS_LISTEN_H
#define HTTPD_SERVE_SETTINGS_LISTEN_H

#include "httpd/serve/settings.h"

/* Reads `listen` of the daemon and of all sites: the numbers of entrances, and at which each site
 * is served. Before the names of sites are read. 0, or KEEL_ECONF or KEEL_ENOMEM with diag, as
 * below. */
int http_listen_read(struct http_settings *s, const struct keel_conf *conf, struct keel_diag *diag);
/* After the sites were read: who answers there for hosts that no site has; that there is somebody,
 * and nobody twice. */
int http_listen_finish(struct http_settings *s, const struct keel_conf *conf,
                       struct keel_diag *diag);
/* After TLS was read. */
int http_listen_check_tls(const struct http_settings *s, const struct keel_conf *conf,
                          struct keel_diag *diag);
/* Adds the endpoints of the addresses; their tag is the number of the entrance. */
int http_listen_add(const struct http_settings *s, const struct keel_conf *conf,
                    struct keel_endpoints *endpoints, struct keel_diag *diag);
/* The address has the word tls. */
bool http_listen_is_tls(const struct keel_value *address);

#endif
