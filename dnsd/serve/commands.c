#include "dnsd/serve/commands.h"

#include "dnsd/serve/keeper_commands.h"
#include "dnsd/serve/serve.h"
#include "dnsd/serve/zone_counts.h"

static int run_trace(struct keel_instance *instance, json_t *args, json_t **result,
                     struct keel_diag *diag)
{
    return dns_watch_trace(&((struct dns_serve *)instance->state)->watch, args, result, diag);
}

static int run_top(struct keel_instance *instance, json_t *args, json_t **result,
                   struct keel_diag *diag)
{
    return dns_watch_top(&((struct dns_serve *)instance->state)->watch, instance, args, diag);
}

const struct keel_command dns_commands[] = {
    {"zones", "[PATTERN] [FROM]",
     "The zones: state, serial, records, memory, file; 1000 of them, from number FROM on",
     KEEL_COMMAND_HELPER, dns_command_zones},
    {"zone-status", "[NAME]", "All about a zone; without a name how many there are",
     KEEL_COMMAND_HELPER, dns_command_zone_status},
    {"zone-reload", "NAME|all", "Read a zone's file again, or those of all zones",
     KEEL_COMMAND_HELPER + KEEL_COMMAND_SLOW, dns_command_zone_reload},
    {"zone-add", "NAME TEXT", "Serve one more zone; TEXT is what would stand in its section",
     KEEL_COMMAND_HELPER + KEEL_COMMAND_SLOW, dns_command_zone_add},
    {"zone-remove", "NAME", "Serve no more a zone that was added with zone-add",
     KEEL_COMMAND_HELPER, dns_command_zone_remove},
    {"zone-dump", "NAME [FILE]", "Write a zone as it is to a file: by default STATE/NAME.zone",
     KEEL_COMMAND_HELPER + KEEL_COMMAND_SLOW, dns_command_zone_dump},
    {"zone-flush", "NAME|all", "Write zones with updates back to their files",
     KEEL_COMMAND_HELPER + KEEL_COMMAND_SLOW, dns_command_zone_flush},
    {"zone-refresh", "ZONE", "Ask the primaries of a zone for news, now", KEEL_COMMAND_HELPER,
     dns_command_zone_refresh},
    {"zone-retransfer", "ZONE", "Get the whole zone from its primaries anew", KEEL_COMMAND_HELPER,
     dns_command_zone_retransfer},
    {"zone-counters", "[NAME]", "What a zone was asked, or those that are asked most",
     KEEL_COMMAND_ALL, dns_command_zone_counters},
    {"trace", DNS_TRACE_USAGE, "Follow questions and answers, live", KEEL_COMMAND_ALL, run_trace},
    {"top", DNS_TOP_USAGE, "Count for some seconds what is asked most",
     KEEL_COMMAND_ALL + KEEL_COMMAND_SLOW, run_top},
    {0},
};
