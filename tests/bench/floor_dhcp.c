/*
 * The floor under a DHCP server: every DISCOVER gets an OFFER and every REQUEST an ACK of the next
 * address, forgotten at once: what a load generator, the namespaces and the kernel cost without a
 * server between them.
 *
 *     floor_dhcp ADDRESS      serves port 67 of it until it is killed
 */
#include "tests/bench/floor_udp.h"

#include <arpa/inet.h>
#include <string.h>

#define OPTIONS_AT 240
#define SIZE 300 /* of an answer, as the server's */

static struct sockaddr_in server = {.sin_family = AF_INET};

static size_t answer(uint8_t *bytes, size_t size, size_t room)
{
    static uint32_t next = 0x0a010000; /* 10.1.0.0 */
    uint8_t options[] = {53, 1, 2, 54, 4, 0, 0, 0, 0, 51, 4, 0, 0, 168, 192, 255};
    uint32_t address = htonl(next++);
    if (size < OPTIONS_AT + 3 || room < SIZE || bytes[OPTIONS_AT] != 53) /* loads send it first */
        return size;
    if (bytes[OPTIONS_AT + 2] != 1)
        options[2] = 5;
    memcpy(options + 5, &server.sin_addr, 4);
    bytes[0] = 2;
    memcpy(bytes + 16, &address, 4);
    memset(bytes + OPTIONS_AT, 0, SIZE - OPTIONS_AT);
    memcpy(bytes + OPTIONS_AT, options, sizeof options);
    return SIZE;
}

int main(int argc, char **argv)
{
    server.sin_port = htons(67);
    if (argc != 2 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
        return 2;
    floor_serve(&server, NULL, answer);
}
