/*
 * The options of httpd beside the core's own.
 */
#ifndef HTTPD_OPTIONS_H
#define HTTPD_OPTIONS_H

#include "common/service/module.h"

extern const struct keel_option http_options[];
extern const struct keel_cli_option http_cli[];

#endif
