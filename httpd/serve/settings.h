/*
 * What the configuration says, compiled for serving. Immutable once made.
 */
#ifndef HTTPD_SERVE_SETTINGS_H
#define HTTPD_SERVE_SETTINGS_H

#include "common/runtime/tls.h"
#include "common/service/module.h"
#include "httpd/handlers/cache.h"
#include "httpd/log/format.h"
#include "httpd/request/route.h"
#include "httpd/serve/chain.h"
#include "httpd/serve/modules.h"
#include "httpd/serve/pages.h"

/* An access log. */
struct http_log_settings {
    const char *file, *text; /* the format as it was written */
    struct http_log_format format;
    size_t buffer;
    unsigned number; /* from 1 on */
};

struct http_settings {
    struct keel_arena arena; /* everything below that is text or a list */
    struct http_sites sites;
    struct http_types types; /* the system's */
    struct http_modules modules;
    struct http_handlers handlers; /* of all locations */
    struct http_head_limits head;
    uint64_t header_timeout, body_timeout, keepalive_timeout, send_timeout; /* ns */
    uint64_t min_rate;    /* bytes a second that a client must send or take */
    uint64_t discard;     /* most bytes of a body that are read and dropped */
    bool http2;           /* spoken to those who ask for it */
    uint32_t max_streams; /* of an HTTP/2 connection at once */
    struct http_cache_limits cache;
    unsigned limited;              /* locations with a request rate */
    unsigned https_port;           /* for redirects by https-only */
    struct keel_table users_files; /* of struct http_users_file, by path */
    struct http_pages pages;
    struct http_own_root *own_roots; /* of locations */
    unsigned file_ids;               /* the next number for files of a location; above all sites' */
    unsigned client_connections;     /* most of one client in a worker; 0: no limit */
    struct http_log_settings **logs; /* number 1 is the first; its file is log file 0 */
    unsigned log_count;
    unsigned log;        /* number of the one for what has no site; 0: none */
    unsigned *entrances; /* number of the entrance of each address of listen */
    unsigned entrance_count;
    struct keel_tls_context *tls[HTTP_ENTRANCES]; /* NULL: no site there has a certificate */
};

/* The record's configure and free_settings, with the rows that options.c lists. */
int http_settings_configure(const struct keel_conf *conf, void **settings,
                            struct keel_endpoints *endpoints, struct keel_access *access,
                            struct keel_diag *diag);
void http_settings_free(void *settings);

#endif
