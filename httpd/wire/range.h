/*
 * Byte ranges (RFC 9110, 14). Of too many, or of units that are not bytes, the whole is sent, as
 * 14.2 allows.
 */
#ifndef HTTPD_WIRE_RANGE_H
#define HTTPD_WIRE_RANGE_H

#include "common/base/str.h"

enum http_range_result {
    HTTP_RANGE_IGNORE, /* send the whole */
    HTTP_RANGE_PART,   /* 206: those that can be satisfied, in the order asked for; those that
                          touch are one */
    HTTP_RANGE_UNSATISFIABLE, /* 416 */
};
#define HTTP_RANGES_MAX 16
struct http_range {
    uint64_t at, length;
};
/* The parts of `size` bytes that the value of Range asks for; out has room for HTTP_RANGES_MAX. */
enum http_range_result http_range_parse(struct keel_str value, uint64_t size,
                                        struct http_range *out, unsigned *count);

#endif
