/*
 * Byte ranges (RFC 9110, 14): one range is served; of several, or of units that are not bytes,
 * the whole is sent, as 14.2 allows.
 */
#ifndef HTTPD_WIRE_RANGE_H
#define HTTPD_WIRE_RANGE_H

#include "common/base/str.h"

enum http_range_result {
    HTTP_RANGE_IGNORE,        /* send the whole */
    HTTP_RANGE_PART,          /* 206 */
    HTTP_RANGE_UNSATISFIABLE, /* 416 */
};
/* The part of `size` bytes that the value of Range asks for. */
enum http_range_result http_range_parse(struct keel_str value, uint64_t size, uint64_t *at,
                                        uint64_t *length);

#endif
