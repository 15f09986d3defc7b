/*
 * The daemon's state as a page, as JSON, or as Prometheus text: what all its workers have counted
 * together, and this one alone.
 */
#ifndef HTTPD_HANDLERS_STATUS_H
#define HTTPD_HANDLERS_STATUS_H

#include <jansson.h>

#include "httpd/request/handler.h"

/* Settings of the step. */
struct http_status {
    bool local_only; /* only loopback addresses may ask */
};
extern const struct http_handler http_status_handler;

/* What each site was asked, in all workers: an array, returns new; NULL when memory is out. */
struct keel_sums;
json_t *http_status_sites(const struct keel_sums *sums);

#endif
