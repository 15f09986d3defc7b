/*
 * Flags of dnsd that do one thing and end: --check-zone and --print-zone.
 */
#ifndef DNSD_SERVE_TOOLS_H
#define DNSD_SERVE_TOOLS_H

#include "common/service/module.h"

extern const struct keel_tool dns_tools[];

#endif
