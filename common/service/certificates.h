/*
 * The certificates that a daemon serves: as rows of the command `certificates`, and as metrics.
 */
#ifndef KEEL_SERVICE_CERTIFICATES_H
#define KEEL_SERVICE_CERTIFICATES_H

#include "common/base/buf.h"
#include "common/runtime/tls.h"
#include "common/service/rows.h"

/* Adds those of a context to the list, which is made when it is NULL; those that it has stay. Times
 * in it are seconds since 1970. 0 or KEEL_ENOMEM. */
int keel_certificates_add(json_t **list, const struct keel_tls_context *context);

/* The list for an operator, those first that end first: returns new in *result. 0, or an error
 * with diag. list NULL: there are none. */
int keel_certificates_list(const json_t *list, json_t *args, uint64_t realtime_ns, json_t **result,
                           struct keel_diag *diag);
/* Seconds until each ends, and each stapled response, as metrics. */
int keel_certificates_print(const json_t *list, uint64_t realtime_ns, struct keel_buf *out);

#endif
