/*
 * The floor under a DNS server: it sets the flags and puts one address record behind the question.
 *
 *     floor_dns      prints its port, serves until it is killed
 */
#include "tests/bench/floor_udp.h"

#include <stdio.h>
#include <string.h>

static void print_port(const struct sockaddr_in *at)
{
    printf("%u\n", ntohs(at->sin_port));
    fflush(stdout);
}

static size_t answer(uint8_t *bytes, size_t size, size_t room)
{
    static const uint8_t record[] = {0xC0, 12, 0, 1, 0, 1, 0, 0, 1, 44, 0, 4, 192, 0, 2, 1};
    if (size < 12 || size > room - sizeof record)
        return size;
    bytes[2] = 0x84;
    bytes[3] = 0;
    bytes[7] = 1;
    memcpy(bytes + size, record, sizeof record);
    return size + sizeof record;
}

int main(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    floor_serve(&at, print_port, answer);
}
