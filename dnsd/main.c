/*
 * dnsd: an authoritative DNS server.
 */
#include "common/service/daemon.h"
#include "dnsd/options.h"
#include "dnsd/serve/commands.h"
#include "dnsd/serve/keeper.h"
#include "dnsd/serve/serve.h"
#include "dnsd/serve/settings.h"
#include "dnsd/serve/tcp.h"
#include "dnsd/serve/tools.h"
#include "dnsd/serve/udp.h"

int main(int argc, char **argv)
{
    const struct keel_protocol dnsd = {
        KEEL_PROTOCOL,
        .name = "dnsd",
        .version = KEEL_VERSION,
        .summary = "an authoritative DNS server",
        .options = dns_options,
        .cli = dns_cli,
        .metrics = dns_metrics,
        .commands = dns_commands,
        .schedule = KEEL_SCHEDULE_KERNEL,
        .configure = dns_settings_configure,
        .free_settings = dns_settings_free,
        .tls = dns_settings_tls,
        .check = dns_keeper_check,
        .tools = dns_tools,
        .start = dns_serve_start,
        .drain = dns_serve_drain,
        .busy = dns_serve_busy,
        .stop = dns_serve_stop,
        .connection_size = dns_tcp_connection_size,
        .stream = &dns_tcp_stream,
        .on_connect = dns_tcp_connect,
        .on_batch = dns_udp_batch,
        .helpers = dns_helpers,
        .on_helper = dns_serve_on_helper,
        .on_helper_message = dns_serve_on_helper_message,
        .dgram = {.receive_size = DNS_UDP_RECEIVE, .send_size = DNS_UDP_SEND},
    };
    return keel_main(argc, argv, &dnsd);
}
