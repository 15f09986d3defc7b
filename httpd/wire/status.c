#include "httpd/wire/status.h"

static const struct {
    unsigned status;
    struct keel_str reason;
} reasons[] = {
#define R(status, text)                                                                            \
    {                                                                                              \
        status,                                                                                    \
        {                                                                                          \
            text, sizeof(text) - 1                                                                 \
        }                                                                                          \
    }
    R(100, "Continue"),
    R(101, "Switching Protocols"),
    R(200, "OK"),
    R(201, "Created"),
    R(202, "Accepted"),
    R(204, "No Content"),
    R(206, "Partial Content"),
    R(301, "Moved Permanently"),
    R(302, "Found"),
    R(303, "See Other"),
    R(304, "Not Modified"),
    R(307, "Temporary Redirect"),
    R(308, "Permanent Redirect"),
    R(400, "Bad Request"),
    R(401, "Unauthorized"),
    R(403, "Forbidden"),
    R(404, "Not Found"),
    R(405, "Method Not Allowed"),
    R(406, "Not Acceptable"),
    R(408, "Request Timeout"),
    R(409, "Conflict"),
    R(410, "Gone"),
    R(411, "Length Required"),
    R(412, "Precondition Failed"),
    R(413, "Content Too Large"),
    R(414, "URI Too Long"),
    R(415, "Unsupported Media Type"),
    R(416, "Range Not Satisfiable"),
    R(417, "Expectation Failed"),
    R(421, "Misdirected Request"),
    R(425, "Too Early"),
    R(426, "Upgrade Required"),
    R(429, "Too Many Requests"),
    R(431, "Request Header Fields Too Large"),
    R(500, "Internal Server Error"),
    R(501, "Not Implemented"),
    R(502, "Bad Gateway"),
    R(503, "Service Unavailable"),
    R(504, "Gateway Timeout"),
    R(505, "HTTP Version Not Supported"),
    R(507, "Insufficient Storage"),
#undef R
};

struct keel_str http_status_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return KEEL_STR("Unknown");
}
