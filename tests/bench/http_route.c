/*
 * What finding the rules of a request costs, without a socket: site, location and a rewrite, for
 * few and for many of them. Prints nanoseconds of CPU time a request.
 *
 *     tests/bench/http_route             all, timed
 *     tests/bench/http_route SITES LOCATIONS REWRITES ROUNDS
 *                                        one, for callgrind: valgrind --tool=callgrind ...
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "httpd/request/request.h"

struct setting {
    unsigned sites, locations, rewrites; /* locations and rewrites of each site */
};

static struct keel_arena arena;
static struct http_sites sites;

static void need(bool good)
{
    if (good)
        return;
    fprintf(stderr, "http_route: no memory, or a bad setting\n");
    exit(1);
}

static struct keel_str text(const char *format, unsigned n)
{
    char *out = keel_arena_printf(&arena, format, n);
    need(out != NULL);
    return keel_str(out);
}

static void make_site(const struct setting *setting, unsigned id)
{
    struct http_site *site = &sites.items[id];
    const struct http_host_name *other;
    const struct http_location *twice;
    struct keel_str name = text("www.site%u.example.org", id);
    *site = (struct http_site){.name = name, .id = id, .entrances = HTTP_EVERYWHERE};
    need(http_sites_add_name(&sites, &arena, name, id, 0, &other) == 0);
    need(http_sites_add_name(&sites, &arena, text("*.wild%u.example.org", id), id, 0, &other) == 0);
    site->locations = keel_arena_calloc(&arena, setting->locations * sizeof *site->locations);
    site->rewrites.items =
        keel_arena_calloc(&arena, (setting->rewrites + 1) * sizeof *site->rewrites.items);
    need(site->locations && site->rewrites.items);
    for (; site->location_count < setting->locations; site->location_count++)
        site->locations[site->location_count].prefix =
            text("/application/part%u/", site->location_count);
    for (; site->rewrites.count < setting->rewrites; site->rewrites.count++)
        need(http_rewrite_compile(sites.expressions, &arena,
                                  text("^/old%u/(.*)$ /new/$1", site->rewrites.count),
                                  &site->rewrites.items[site->rewrites.count], NULL) == 0);
    need(http_locations_compile(site, &twice) == 0);
}

static void make(const struct setting *setting)
{
    keel_arena_init(&arena, 1 << 20);
    sites = (struct http_sites){.count = setting->sites, .key = {1, 2}};
    sites.items = keel_arena_calloc(&arena, setting->sites * sizeof *sites.items);
    sites.expressions = setting->rewrites ? http_expressions_new() : NULL;
    need(sites.items && (sites.expressions || !setting->rewrites));
    for (unsigned i = 0; i < setting->sites; i++)
        make_site(setting, i);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Requests to the last site and location; every second one by its wildcard. */
static double run(const struct setting *setting, unsigned rounds)
{
    struct http_request requests[2];
    char head[2][256];
    struct http_clock clock = {.second = 0};
    http_clock_set(&clock, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        http_request_init(&requests[i]);
        snprintf(head[i], sizeof head[i],
                 "GET /application/part%u/page.html HTTP/1.1\r\nHost: www.%s%u.example.org\r\n\r\n",
                 setting->locations - 1, i ? "wild" : "site", setting->sites - 1);
        need(http_head_parse(&requests[i].head, (uint8_t *)head[i], strlen(head[i])) == 0);
    }
    double begin = now();
    for (unsigned i = 0; i < rounds; i++)
        need(http_request_prepare(&requests[i & 1], &sites, &(struct http_origin){0}, &clock) == 0);
    double took = now() - begin;
    for (unsigned i = 0; i < 2; i++) {
        need(requests[i].site->id == setting->sites - 1 && requests[i].location->prefix.n > 1);
        http_request_fini(&requests[i]);
    }
    return took / rounds;
}

static double measure(const struct setting *setting, unsigned rounds)
{
    make(setting);
    double ns = run(setting, rounds);
    http_sites_fini(&sites);
    keel_arena_fini(&arena);
    return ns;
}

int main(int argc, char **argv)
{
    static const struct setting settings[] = {
        {1, 1, 0},       {10, 10, 0}, {10000, 10, 0}, {10, 1000, 0},
        {1000, 1000, 0}, {10, 10, 1}, {10, 10, 10},
    };
    if (argc == 5) {
        const struct setting one = {(unsigned)atoi(argv[1]), (unsigned)atoi(argv[2]),
                                    (unsigned)atoi(argv[3])};
        measure(&one, (unsigned)atoi(argv[4]));
        return 0;
    }
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        printf("routes: %5u sites of %4u locations and %2u rewrites: %6.0f ns a request\n",
               settings[i].sites, settings[i].locations, settings[i].rewrites,
               measure(&settings[i], 1000000));
    return 0;
}
