/*
 * dhcpd: a DHCPv4 server.
 */
#include "common/service/daemon.h"
#include "dhcpd/options.h"
#include "dhcpd/serve/import.h"
#include "dhcpd/serve/serve.h"
#include "dhcpd/serve/settings.h"
#include "dhcpd/serve/status.h"

int main(int argc, char **argv)
{
    const struct keel_protocol dhcpd = {
        KEEL_PROTOCOL,
        .name = "dhcpd",
        .version = KEEL_VERSION,
        .summary = "a DHCP server",
        .options = dhcp_options_rows,
        .cli = dhcp_cli,
        .metrics = dhcp_metrics,
        .commands = dhcp_commands,
        .schedule = KEEL_SCHEDULE_SINGLE,
        .one_writer = true,
        .configure = dhcp_settings_configure,
        .free_settings = dhcp_settings_free,
        .start = dhcp_serve_start,
        .activate = dhcp_serve_activate,
        .drain = dhcp_serve_drain,
        .stop = dhcp_serve_stop,
        .on_batch = dhcp_serve_batch,
        .dgram = {.receive_size = DHCP_MESSAGE_MAX,
                  .send_size = DHCP_REPLY_ROOM,
                  .batches = DHCP_GROUP_BATCHES},
        .on_descriptor = dhcp_serve_descriptor,
        .helpers = (const struct keel_helper *const[]){&dhcp_hook_helper, NULL},
        .on_helper = dhcp_serve_helper,
        .on_helper_message = dhcp_serve_helper_message,
    };
    if (dhcp_import_wanted(argc, argv))
        return dhcp_import_main(&dhcpd, argc, argv);
    return keel_main(argc, argv, &dhcpd);
}
