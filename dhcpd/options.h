/*
 * What dhcpd adds to a daemon's configuration file and command line.
 */
#ifndef DHCPD_OPTIONS_H
#define DHCPD_OPTIONS_H

#include "common/service/conf.h"
#include "common/service/module.h"

extern const struct keel_option dhcp_options_rows[];
extern const struct keel_option dhcp_ddns_rows[];
extern const struct keel_option dhcp_hook_rows[];
extern const struct keel_cli_option dhcp_cli[];

#endif
