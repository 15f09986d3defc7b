/*
 * dnsd's options as rows, and what its command line adds to them.
 */
#ifndef DNSD_OPTIONS_H
#define DNSD_OPTIONS_H

#include "common/service/module.h"

extern const struct keel_option dns_options[];
extern const struct keel_cli_option dns_cli[];

#endif
