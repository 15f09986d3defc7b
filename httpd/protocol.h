/*
 * What httpd is to the core.
 */
#ifndef HTTPD_PROTOCOL_H
#define HTTPD_PROTOCOL_H

#include "common/service/module.h"

extern const struct keel_protocol http_protocol;

#endif
