/*
 * A fixed response: for health checks, and for what is gone.
 */
#ifndef HTTPD_HANDLERS_RESPOND_H
#define HTTPD_HANDLERS_RESPOND_H

#include "httpd/request/handler.h"

/* Settings of the step. */
struct http_respond {
    unsigned status;      /* 200 to 599 */
    struct keel_str body; /* p NULL: the status' own line of text, or the site's page for it */
};
extern const struct http_handler http_respond_handler;

#endif
